"""What rendering costs: one command per figure, and the last result in README.md."""
