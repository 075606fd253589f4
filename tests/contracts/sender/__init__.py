"""What every sender promises. See `shared/ports/sender.py`; the receivers are real."""
