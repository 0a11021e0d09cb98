"use strict";
const docs = document.getElementById("docs");
window.SwaggerUIBundle({
  domNode: docs,
  url: docs.dataset.description,
  deepLinking: true,
  validatorUrl: null,
});
