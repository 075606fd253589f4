"""The gate to Azure: the library that runs function apps there loads ours and calls its functions."""
