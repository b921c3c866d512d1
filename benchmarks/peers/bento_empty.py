"""What BentoML costs by itself: an endpoint that does nothing, with the defaults."""

import bentoml


@bentoml.service
class Empty:
    @bentoml.api
    def predict(self) -> str:
        return "nothing"
