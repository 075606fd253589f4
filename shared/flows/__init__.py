"""What happens: each flow is a frozen value of ports with its steps numbered once."""
