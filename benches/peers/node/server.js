// The peer on node:http: a process for each core, as node:cluster makes them, with no setting changed.
//
// node:http has no router: the target is compared by hand.
'use strict';

const http = require('node:http');

const onEveryCore = require('./cores.js');

onEveryCore(serve);

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
