#!/usr/bin/env node
// Plain JavaScript of an old dialect on purpose: a Node that is too old must get this far to be told so.
var version = process.versions.node.split('.').map(Number);
if (version[0] < 22 || (version[0] === 22 && version[1] < 22)) {
  process.stderr.write('pgsluice needs Node.js 22.22 or newer; this is ' + process.version + '\n');
  process.exitCode = 2;
} else {
  import('./start.js').then(function (start) {
    return start.main(process.argv.slice(2));
  });
}
