"""The service: domain, ports, flows and adapters. Knows neither Azure Functions nor HTTP servers."""
