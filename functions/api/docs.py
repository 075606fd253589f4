"""The API's page for people. Its scripts are served from here: no browser fetches code from elsewhere."""

from functools import cache

from functions.api.answers import Answer, Headers
from functions.api.operations import PREFIX

OPENAPI_PATH = f"{PREFIX}/openapi.json"
PATH = "/docs"

_PAGE = f"""<!DOCTYPE html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <title>Heliograph API</title>
  <link rel="stylesheet" href="{PATH}/swagger-ui.css">
  <link rel="icon" href="{PATH}/favicon-32x32.png">
</head>
<body>
  <div id="swagger-ui"></div>
  <script src="{PATH}/swagger-ui-bundle.js"></script>
  <script>SwaggerUIBundle({{url: "{OPENAPI_PATH}", dom_id: "#swagger-ui", deepLinking: true}});</script>
</body>
</html>
"""
_KINDS = {
    "swagger-ui.css": "text/css; charset=utf-8",
    "swagger-ui-bundle.js": "text/javascript; charset=utf-8",
    "favicon-32x32.png": "image/png",
}
ASSETS = tuple(_KINDS)
PAGE = Answer(200, (("content-type", "text/html; charset=utf-8"),), _PAGE.encode())
FRONT_DOOR = Answer(307, (("location", PATH),), b"")


@cache
def asset(name: str) -> Answer:
    """One of `ASSETS`, read from the package that brings them."""
    # Most processes never show the page. The package has no types.
    from swagger_ui_bundle import swagger_ui_path  # type: ignore[import-untyped]  # noqa: PLC0415

    headers: Headers = (("content-type", _KINDS[name]), ("cache-control", "public, max-age=86400"))
    return Answer(200, headers, (swagger_ui_path / name).read_bytes())
