"""The bundle behind FastAPI, as its tutorial does it: a plain function, which runs in its pool of threads."""

import os
from typing import Any

import uvicorn
from fastapi import FastAPI
from pydantic import create_model

from mlspec.runtime import Predictor

model = Predictor(os.environ["BUNDLE"], threads=int(os.environ["THREADS"]))
fields: Any = {i["name"]: (float if i["type"] == "number" else str, ...) for i in model.signature.inputs}
Row = create_model("Row", **fields)
app = FastAPI()


@app.post("/predict")
def predict(row: Row) -> Any:  # type: ignore[valid-type]
    return model.predict([row.model_dump()])[0]  # type: ignore[attr-defined]


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(os.environ["PORT"]), log_level="warning", access_log=False)
