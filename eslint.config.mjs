import js from '@eslint/js';
import tseslint from 'typescript-eslint';

export default tseslint.config(
  { ignores: ['dist/', 'node_modules/', 'data/', 'holdfast-demo/', 'coverage/'] },
  js.configs.recommended,
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.strictTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      // Numbers and bigints in messages are what they are for.
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      // Nest modules are empty classes that carry a decorator.
      '@typescript-eslint/no-extraneous-class': ['error', { allowWithDecorator: true }],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_' }],
    },
  },
  {
    // The database's one door (docs: ARCHITECTURE.md): features never open transactions or cascade saves of their own.
    files: ['apps/server/src/**/*.ts'],
    ignores: ['apps/server/src/database/**'],
    rules: {
      'no-restricted-syntax': [
        'error',
        { selector: "CallExpression[callee.property.name='transaction']", message: 'Write through Database.write().' },
        {
          selector: "CallExpression[callee.property.name='save']",
          message: 'Use insert/update inside Database.write().',
        },
        {
          selector: "CallExpression[callee.property.name='createQueryRunner']",
          message: 'Use Database.write()/read().',
        },
      ],
    },
  },
  {
    // Settings are read in config/ and nowhere else.
    files: ['apps/**/*.ts', 'libs/**/*.ts'],
    ignores: ['**/config/**', '**/*.spec.ts', '**/main.ts'],
    rules: {
      'no-restricted-syntax': [
        'error',
        {
          selector: "MemberExpression[object.name='process'][property.name='env']",
          message: 'Read settings in config/.',
        },
        { selector: "CallExpression[callee.property.name='transaction']", message: 'Write through Database.write().' },
      ],
    },
  },
  {
    files: ['**/*.spec.ts', 'test/**/*.ts', '**/*.contract.ts'],
    rules: {
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/require-await': 'off',
    },
  },
  {
    files: ['**/*.js', '**/*.mjs'],
    languageOptions: {
      globals: {
        process: 'readonly',
        module: 'writable',
        require: 'readonly',
        globalThis: 'readonly',
        URL: 'readonly',
        AbortController: 'readonly',
        console: 'readonly',
        AbortSignal: 'readonly',
        fetch: 'readonly',
        performance: 'readonly',
        setTimeout: 'readonly',
        Buffer: 'readonly',
        __dirname: 'readonly',
      },
    },
  },
);
