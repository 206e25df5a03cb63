// The program as one module: V8 looks a constant of another module up at each use, and folds one of the same module. That is 2 to 7 % of all
// instructions of a command. `npm run bench` runs the program so built.
export default {
  input: 'dist/src/cli/main.js',
  output: { dir: 'dist', entryFileNames: 'torc.js', chunkFileNames: 'chunks/[name].js', format: 'es' },
  // Packages and Node's own modules stay what they are.
  external: (id) => !id.startsWith('.') && !id.startsWith('/'),
  onwarn(warning) {
    throw new Error(warning.message);
  },
};
