// Node's own http2 client sending empty pushes over one connection, 100 streams in flight.
// Usage: node client.mjs <folder with client.pem, client.key, ca.pem> <port> <count>; prints
// {"seconds": …, "cpu": …} for the pushes alone, without the connection's opening.
import { connect } from "node:http2";
import { readFileSync } from "node:fs";

const [folder, port, count] = [process.argv[2], process.argv[3], Number(process.argv[4])];
const session = connect(`https://127.0.0.1:${port}`, {
  cert: readFileSync(`${folder}/client.pem`),
  key: readFileSync(`${folder}/client.key`),
  ca: readFileSync(`${folder}/ca.pem`),
});
const expiration = String(Math.floor(Date.now() / 1000) + 14 * 86400);
let sent = 0;
let answered = 0;
let failed = 0;

function push(done) {
  const token = (sent++).toString(16).padStart(64, "0");
  const stream = session.request({
    ":method": "POST",
    ":path": `/3/device/${token}`,
    "apns-topic": "pass.example",
    "apns-push-type": "background",
    "apns-priority": "5",
    "apns-expiration": expiration,
  });
  let status = 0;
  stream.on("response", (headers) => { status = headers[":status"]; });
  stream.on("close", () => {
    answered++;
    if (status !== 200) failed++;
    if (answered === count) done();
    else if (sent < count) push(done);
  });
  stream.resume();
  stream.end("{}");
}

session.on("error", (fault) => { console.error(fault); process.exit(1); });
session.on("connect", () => {
  const cpu = process.cpuUsage();
  const start = process.hrtime.bigint();
  const done = () => {
    const seconds = Number(process.hrtime.bigint() - start) / 1e9;
    const used = process.cpuUsage(cpu);
    console.log(JSON.stringify({ seconds, cpu: (used.user + used.system) / 1e6, failed }));
    session.close();
  };
  for (let i = 0; i < 100; i++) push(done);
});
