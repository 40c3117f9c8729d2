ROWS = [{"sentence": "It is raining.", "label": "yes"}]


def load():
    return ROWS
