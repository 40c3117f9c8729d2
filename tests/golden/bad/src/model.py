class Net:
    def __init__(self, hidden):
        self.hidden = hidden
