"""Bodies too large for a document, in Azure Blob Storage, by the official client over HTTPS."""
