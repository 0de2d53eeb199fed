"use strict";

// A file of its own, because the content security policy allows no inline scripts.
SwaggerUIBundle({
  url: "/api/openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  presets: [SwaggerUIBundle.presets.apis],
  // the hub answers for itself: nothing is asked of a validator elsewhere
  validatorUrl: null,
});
