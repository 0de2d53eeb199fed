"use strict";

// A file of its own, because the content security policy allows no inline scripts.
SwaggerUIBundle({
  url: "/api/openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  defaultModelsExpandDepth: 0, // the routes come first; the schemas open on a click
  displayRequestDuration: true,
  presets: [SwaggerUIBundle.presets.apis],
  // the hub answers for itself: nothing is asked of a validator elsewhere
  validatorUrl: null,
});
