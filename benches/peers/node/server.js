// The peer on node:http: a process for each core, as node:cluster makes them, with no setting changed.
//
// node:http has no router: the target is compared by hand.
'use strict';

const cluster = require('node:cluster');
const http = require('node:http');
const { availableParallelism } = require('node:os');

if (cluster.isPrimary) {
  start(process.argv[2]);
} else {
  serve(Number(process.argv[2]));
}

function start(port) {
  if (port === undefined) {
    console.error('usage: server.js PORT');
    process.exit(2);
  }
  let missing = availableParallelism();
  for (let left = missing; left > 0; left -= 1) cluster.fork();
  cluster.on('listening', (_, address) => {
    missing -= 1;
    if (missing === 0) console.log(`listening on http://127.0.0.1:${address.port}`);
  });
  cluster.on('exit', (worker, code) => process.exit(code || 1));
}

function serve(port) {
  http.createServer(answer).listen(port, '127.0.0.1');
}

function answer(request, response) {
  switch (pathOf(request.url)) {
    case '/':
    case '/plaintext':
      if (request.method !== 'GET' && request.method !== 'HEAD') return refuse(response, 405, 'GET, HEAD');
      response.setHeader('Server', 'node');
      response.setHeader('Content-Type', 'text/plain');
      return response.end('Hello, World!');
    case '/echo':
      if (request.method !== 'POST') return refuse(response, 405, 'POST');
      response.setHeader('Server', 'node');
      response.setHeader('Content-Type', 'application/octet-stream');
      return request.pipe(response);
    default:
      return refuse(response, 404);
  }
}

// The absolute-form is left to the program.
function pathOf(target) {
  return /^(?:https?:\/\/[^/?]*)?([^?]*)/i.exec(target)[1] || '/';
}

function refuse(response, status, allow) {
  response.statusCode = status;
  if (allow !== undefined) response.setHeader('Allow', allow);
  response.end();
}
