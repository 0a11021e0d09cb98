// A push service that only answers 200: the same local server for every client that is measured.
// Usage: node server.mjs <folder with server.pem, server.key, ca.pem>; prints its port.
import { createSecureServer } from "node:http2";
import { readFileSync } from "node:fs";

const folder = process.argv[2];
const server = createSecureServer({
  cert: readFileSync(`${folder}/server.pem`),
  key: readFileSync(`${folder}/server.key`),
  ca: readFileSync(`${folder}/ca.pem`),
  requestCert: true,
  rejectUnauthorized: true,
  settings: { maxConcurrentStreams: 1000 },
});
server.on("stream", (stream) => {
  stream.on("error", () => {});
  stream.resume();
  stream.on("end", () => {
    stream.respond({ ":status": 200 }, { endStream: true });
  });
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
process.stdin.on("end", () => process.exit(0));
process.stdin.resume();
