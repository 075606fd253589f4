"""What people do, over HTTP, against the running service, with SDKs that we did not write."""
