"""The supply chain: known-bad releases, locks with hashes, the bill of materials, the model card."""
