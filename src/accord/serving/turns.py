"""Threads that clients take turns at."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar
from weakref import WeakValueDictionary

A = TypeVar("A")
R = TypeVar("R")


class Turns:
    """Threads for what takes long. Of each client no more calls wait for a thread than there are threads, and its others
    behind them: whoever comes later waits for these few, however many that client has sent."""

    def __init__(self, n_threads: int, name: str) -> None:
        self._n_threads = n_threads
        self._threads = ThreadPoolExecutor(n_threads, thread_name_prefix=name)
        self._of_clients: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    async def run(self, client: str, function: Callable[[A], R], argument: A) -> R:
        turn: Any = self._of_clients.get(client)
        if turn is None:
            turn = self._of_clients[client] = asyncio.Semaphore(self._n_threads)
        async with turn:
            return await asyncio.get_running_loop().run_in_executor(self._threads, function, argument)

    def close(self) -> None:
        self._threads.shutdown()
