"""What the flows need from the outside, one Protocol per noun. Each sentence is held by a contract test."""
