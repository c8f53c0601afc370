/** Imports point down: apps -> libs/common -> libs/engine (ARCHITECTURE.md). @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    { name: 'no-circular', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'not-to-unresolvable',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
    {
      name: 'apps-do-not-import-each-other',
      severity: 'error',
      from: { path: '^apps/([^/]+)/' },
      to: { path: '^apps/', pathNot: '^apps/$1/' },
    },
    { name: 'libs-do-not-import-apps', severity: 'error', from: { path: '^libs/' }, to: { path: '^apps/' } },
    {
      name: 'engine-imports-nothing-above-it',
      comment:
        'libs/engine is pure: no Nest, no ORM, no network, no file system; time, randomness and I/O are arguments.',
      severity: 'error',
      from: { path: '^libs/engine/src', pathNot: '\\.spec\\.ts$' },
      to: { pathNot: '^libs/engine/src|^node_modules/croner/|^(node:)?(crypto|zlib|buffer|util)$' },
    },
    {
      name: 'common-imports-only-validators-and-the-engine',
      severity: 'error',
      from: { path: '^libs/common/src', pathNot: '\\.spec\\.ts$' },
      to: { pathNot: '^libs/(common|engine)/src|^node_modules/(class-validator|class-transformer|reflect-metadata)/' },
    },
    {
      name: 'a-feature-uses-services-not-repositories',
      comment: "A feature uses another feature's service, never its repository.",
      severity: 'error',
      from: { path: '^apps/server/src/([^/]+)/', pathNot: '\\.spec\\.ts$' },
      to: { path: '^apps/server/src/[^/]+/.*\\.repository\\.ts$', pathNot: '^apps/server/src/$1/' },
    },
    {
      name: 'no-test-code-in-production',
      severity: 'error',
      from: { path: '^(apps|libs)/', pathNot: '(\\.spec|\\.contract|[./]testing)\\.ts$|/testing/' },
      to: { path: '(\\.spec|\\.contract|testing)\\.ts$|/testing/' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^dist/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['require', 'node', 'default', 'types'] },
  },
};
