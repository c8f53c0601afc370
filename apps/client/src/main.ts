import type * as Cli from './cli/cli';
import type * as Service from './service/serve';
import type * as CompileCache from './state/compile-cache';

// Nothing else may be loaded before this check: native modules crash an older Node instead of saying what is wrong.
const MIN_NODE = 24;
if (Number.parseInt(process.versions.node, 10) < MIN_NODE) {
  process.stderr.write(
    `holdfast: needs Node ${MIN_NODE} or newer, this is ${process.versions.node}. Run it as bin/holdfast, which finds the right one.\n`,
  );
  process.exitCode = 1;
} else {
  /* eslint-disable @typescript-eslint/no-require-imports -- an import would be loaded before the check */
  (require('./state/compile-cache') as typeof CompileCache).useCompileCache();
  // Without a command this is the service, which is another world of modules.
  if (process.argv.length > 2) void (require('./cli/cli') as typeof Cli).main();
  else void (require('./service/serve') as typeof Service).serve(process.env);
}
