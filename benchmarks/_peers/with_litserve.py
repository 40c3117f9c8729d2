"""The bundle behind LitServe: BATCH rows at most at a time, in WORKERS processes."""

import os

import litserve

from mlspec.runtime import Predictor

BATCH, WORKERS = int(os.environ["BATCH"]), int(os.environ["WORKERS"])


class Api(litserve.LitAPI):  # its methods have no types: LitServe would read them as those of a query
    def setup(self, _device):
        self.model = Predictor(os.environ["BUNDLE"], threads=int(os.environ["THREADS"]))

    def decode_request(self, request):
        return request

    def predict(self, rows):
        return self.model.predict(rows) if BATCH > 1 else self.model.predict([rows])[0]

    def encode_response(self, output):
        return output


class Batched(Api):
    def batch(self, inputs):
        return inputs

    def unbatch(self, output):
        return output


if __name__ == "__main__":
    api = Batched(max_batch_size=BATCH, batch_timeout=0.005) if BATCH > 1 else Api()
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=WORKERS)
    server.run(host="127.0.0.1", port=int(os.environ["PORT"]), generate_client_file=False, log_level="warning")
