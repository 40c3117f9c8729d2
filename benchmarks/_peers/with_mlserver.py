"""The bundle behind MLServer, with its adaptive batching: a model of one's own, as its documentation shows it."""

import os

from mlserver import MLModel
from mlserver.codecs import NumpyCodec, StringCodec
from mlserver.types import InferenceRequest, InferenceResponse

from mlspec.runtime import Predictor


class Model(MLModel):
    async def load(self) -> bool:
        self.model = Predictor(os.environ["BUNDLE"], threads=int(os.environ["THREADS"]))
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        columns = {}
        for tensor in payload.inputs:
            text = tensor.datatype == "BYTES"
            values = StringCodec.decode_input(tensor) if text else NumpyCodec.decode_input(tensor).ravel().tolist()
            columns[tensor.name] = values
        rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        answers = self.model.predict(rows)
        labels = StringCodec.encode_output("label", [answer["label"] for answer in answers])
        return InferenceResponse(model_name=self.name, outputs=[labels])
