"""The least that answers with the bundle's predictions: bare ASGI, LightGBM's C library prepared for one row, and
nothing of contract, policy and log. Written for the flights example: its features in their order, its weekday.

Run by uvicorn, with the bundle's folder in BUNDLE.
"""

import ctypes
import gc
import json
import os
from collections.abc import Callable
from datetime import date
from importlib.util import find_spec
from math import nan
from operator import attrgetter
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

BUNDLE = Path(os.environ["BUNDLE"])
TYPES = {"integer": int | None, "number": float | None, "category": str | None}
# numpy's exp differs from the C library's in the last bit for some numbers, and the bundle's models use numpy's.
LINKS: dict[str, Callable[[np.float64], np.float64]] = {
    "log": lambda raw: 1.0 / (1.0 + np.exp(-raw)),
    "tweedie": np.exp,
    "poisson": np.exp,
    "squared": np.float64,
}
RAW_SCORE, FLOAT64 = 1, 1  # of the C API

transform = json.loads((BUNDLE / "transform.json").read_text())
losses = {
    name: target["loss"]
    for name, target in json.loads((BUNDLE / "contract.json").read_text())["targets"].items()
}
levels = {e["name"]: e["levels"] for e in transform["encodings"] if e["levels"] is not None}
numbers = [e["name"] for e in transform["encodings"] if e["levels"] is None and e["name"] != "weekday"]
names = [e["name"] for e in transform["encodings"]]
assert names == [*levels, *numbers, "weekday"], f"The floor is written for the flights example; found {names}"

codes = [
    {level: code for code, level in enumerate(known)} | {None: len(known) + 1} for known in levels.values()
]
unknown = [len(known) for known in levels.values()]
categories_of, numbers_of = attrgetter(*levels), attrgetter(*numbers)

Row = msgspec.defstruct("Row", [(name, TYPES[kind]) for name, kind in transform["inputs"].items()])
Request = msgspec.defstruct("Request", [("rows", list[Row])])
decode = msgspec.json.Decoder(Request).decode
encode = msgspec.json.Encoder().encode

# PyDLL keeps the interpreter's lock: there is no other thread that would want it.
library = ctypes.PyDLL(str(Path(find_spec("lightgbm").submodule_search_locations[0]) / "lib/lib_lightgbm.so"))
row_buffer = (ctypes.c_double * len(names))()
raw_scores = (ctypes.c_double * len(losses))()
n_written = ctypes.byref(ctypes.c_int64())


def prepared(model: Path, place: int) -> Callable[[], int]:
    """A call that writes the raw score of the row in `row_buffer` to its place in `raw_scores`."""
    handle, fast = ctypes.c_void_p(), ctypes.c_void_p()
    assert not library.LGBM_BoosterCreateFromModelfile(
        str(model).encode(), ctypes.byref(ctypes.c_int()), ctypes.byref(handle)
    )
    assert not library.LGBM_BoosterPredictForMatSingleRowFastInit(
        handle, RAW_SCORE, 0, -1, FLOAT64, len(names), b"num_threads=1", ctypes.byref(fast)
    )
    result = ctypes.byref(raw_scores, place * ctypes.sizeof(ctypes.c_double))
    function = library.LGBM_BoosterPredictForMatSingleRowFast
    return lambda: function(fast, row_buffer, n_written, result)


models = [prepared(BUNDLE / "models" / name, place) for place, name in enumerate(losses)]
links = [(name, LINKS[loss]) for name, loss in losses.items()]
scores = np.frombuffer(raw_scores)


def predictions(row: Any) -> dict[str, float]:
    row_buffer[:] = (
        *(code.get(v, other) for code, v, other in zip(codes, categories_of(row), unknown, strict=True)),
        *(nan if value is None else value for value in numbers_of(row)),
        date(row.year, row.month, row.day).isoweekday() % 7,
    )
    for predict in models:
        if predict():
            raise RuntimeError("LightGBM failed")
    return {name: float(link(raw)) for (name, link), raw in zip(links, scores, strict=True)}


async def app(scope: dict, receive: Callable, send: Callable) -> None:
    if scope["type"] == "lifespan":
        await receive()
        gc.collect()
        gc.freeze()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    event = await receive()
    body = event["body"]
    while event["more_body"]:
        event = await receive()
        body += event["body"]
    content = encode({"rows": [{"predictions": predictions(row)} for row in decode(body).rows]})
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(content))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": content})
