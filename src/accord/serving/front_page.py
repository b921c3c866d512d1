"""The service's page at `/`: its OpenAPI description, drawn by the Swagger UI that BentoML brings along.

BentoML's own page around it loads a tag manager, hides its heading, and is unreadable on a phone.
"""

from accord.serving.asgi import Response

HTML = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>accord</title>
<link rel="stylesheet" href="static_content/swagger-ui.css">
<link rel="icon" href="data:,">
<style>
  body { margin: 0; background: #fafafa; }
  .swagger-ui .topbar { display: none; }
</style>
</head>
<body>
<div id="swagger-ui"></div>
<noscript>This page needs scripts; what it shows is in <a href="docs.json">docs.json</a>.</noscript>
<script src="static_content/swagger-ui-bundle.js" charset="utf-8"></script>
<script src="static_content/swagger-ui-standalone-preset.js" charset="utf-8"></script>
<script src="static_content/swagger-initializer.js" charset="utf-8"></script>
</body>
</html>
"""
FRONT_PAGE = Response(HTML.encode(), b"text/html; charset=utf-8")
