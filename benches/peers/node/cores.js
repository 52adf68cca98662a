// A process for each core, as node:cluster makes them; the port is the one argument.
'use strict';

const cluster = require('node:cluster');
const { availableParallelism } = require('node:os');
const path = require('node:path');

// Calls `serve` with the port in each of them, and says when all of them listen.
module.exports = function onEveryCore(serve) {
  const port = process.argv[2];
  if (!cluster.isPrimary) return serve(Number(port));
  if (port === undefined) {
    console.error(`usage: ${path.basename(process.argv[1])} PORT`);
    process.exit(2);
  }
  let missing = availableParallelism();
  for (let left = missing; left > 0; left -= 1) cluster.fork();
  cluster.on('listening', (_, address) => {
    missing -= 1;
    if (missing === 0) console.log(`listening on http://127.0.0.1:${address.port}`);
  });
  cluster.on('exit', (worker, code) => process.exit(code || 1));
};
