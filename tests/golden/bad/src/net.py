class Net:
    def forward(self, x, scale=1.0):
        return x * scale


class Open:
    def forward(self, **inputs):
        return inputs["numbers"]


class Tokens:
    def forward(self, input_ids, attention_mask, token_type_ids):
        return input_ids
