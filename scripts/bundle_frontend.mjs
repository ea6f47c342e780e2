// Bundles what pages load, one file for each that a template names, minified and packed for the wire: static/ into built/ of
// the dashboard. quadra/dashboard/static_files.py serves a bundle for as long as what went into it is unchanged, so nobody
// has to run this while editing. Which files are entries follows from the imports: whatever no other file imports.

import { createHash } from 'node:crypto';
import { copyFile, mkdir, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';
import { build } from 'esbuild';

const TOP = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const STATIC = path.join(TOP, 'quadra', 'dashboard', 'static');
const BUILT = path.join(TOP, 'quadra', 'dashboard', 'built');
const CHARTS = 'vendor/echarts.min.js'; // the whole library, of which pages get the parts that they use
const SHORT = 4;
const DESCRIPTION = { css: 'vendor/swagger-ui.css', js: 'vendor/swagger-ui-bundle.js' };
const COMMON = { absWorkingDir: STATIC, bundle: true, minify: true, write: false, metafile: true, format: 'esm', outdir: BUILT, logLevel: 'warning' };

const digest = (bytes, length) => createHash('sha256').update(bytes).digest('hex').slice(0, length);
const read = (name) => readFile(path.join(STATIC, name));

async function everyFile() {
  const found = await readdir(STATIC, { recursive: true, withFileTypes: true });
  return found.filter((one) => one.isFile() && !one.name.startsWith('.'))
    .map((one) => path.relative(STATIC, path.join(one.parentPath ?? one.path, one.name)).split(path.sep).join('/')).sort();
}

/** name -> {bytes, inputs: names of the sources}. */
async function bundles(names) {
  const ours = names.filter((name) => /\.(js|css)$/.test(name) && !name.startsWith('vendor/'));
  const { metafile, outputFiles } = await build({ ...COMMON, entryPoints: ours });
  const imported = new Set(Object.values(metafile.inputs).flatMap(({ imports }) => imports.map((one) => one.path)));
  const made = {};
  for (const [output, { entryPoint, inputs }] of Object.entries(metafile.outputs)) {
    if (imported.has(entryPoint) && !entryPoint.endsWith('.css')) continue; // a page may load a style sheet that another one has in it
    const file = outputFiles.find((one) => one.path === path.resolve(STATIC, output));
    made[entryPoint] = { bytes: file.contents, inputs: Object.keys(inputs) };
  }
  return made;
}

async function charts() {
  const entry = path.join(TOP, 'scripts', 'chart_library.js');
  const { outputFiles } = await build({ ...COMMON, entryPoints: [entry], format: 'iife', globalName: 'echarts' });
  return { bytes: outputFiles[0].contents, inputs: [CHARTS] };
}

/** The style sheet of Swagger UI without the half of it that its script never names: rules of a toolkit for other pages. */
async function styleOfDescription() {
  const [style, script] = await Promise.all([DESCRIPTION.css, DESCRIPTION.js].map(async (name) => (await read(name)).toString()));
  const words = (text) => text.split(/[^\w-]+/);
  const inStrings = [...script.matchAll(/["'`]([^"'`\n]{1,300})["'`]/g)].flatMap(([, text]) => words(text));
  const named = new Set([...words(script).filter((word) => word.length > SHORT), ...inStrings]); // a short one may be a variable's
  // the script puts some names together: opblock- and get. Those for widths of windows (-ns, -m, -l) are the toolkit's
  const known = (name) => named.has(name) || (!/-(ns|m|l)$/.test(name) && [...name.matchAll(/-/g)].some(({ index }) => named.has(name.slice(0, index + 1))));
  const used = (selector) => [...selector.matchAll(/\.([\w-]+)/g)].every(([, name]) => known(name));
  const kept = style.replace(/(?<=^|[{}])([^{}@]+)\{([^{}]*)\}/g, (_, selectors, rules) => {
    const some = selectors.split(',').filter(used).join(',');
    return some ? `${some}{${rules}}` : '';
  }).replace(/@media[^{}]*\{\}/g, '');
  return { bytes: Buffer.from(kept), inputs: [DESCRIPTION.css, DESCRIPTION.js] };
}

const PACKERS = {
  '.gz': (bytes) => promisify(gzip)(bytes, { level: 9 }),
  '.br': (bytes) => promisify(brotliCompress)(bytes, { params: { [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length } }),
};

/** Puts a file into `place` as it is and packed, under a name that says what is in it. Packing takes seconds: what was packed is taken over. */
async function keep(place, name, bytes) {
  const hash = digest(bytes, 16);
  const { dir, name: stem, ext } = path.posix.parse(name);
  const kept = path.posix.join(dir, `${stem}-${hash}${ext}`);
  await mkdir(path.join(place, dir), { recursive: true });
  await writeFile(path.join(place, kept), bytes);
  for (const [ending, pack] of Object.entries(PACKERS)) {
    const packed = `${kept}${ending}`;
    await copyFile(path.join(BUILT, packed), path.join(place, packed)).catch(async () => writeFile(path.join(place, packed), await pack(bytes)));
  }
  return { hash, file: kept };
}

const names = await everyFile();
const made = await bundles(names);
for (const name of names) if (!/\.(js|css)$/.test(name) || name.startsWith('vendor/')) made[name] = { bytes: await read(name), inputs: [name] };
made[CHARTS] = await charts();
made[DESCRIPTION.css] = await styleOfDescription();

const fresh = `${BUILT}.new`;
await rm(fresh, { recursive: true, force: true });
const manifest = {};
for (const [name, { bytes, inputs }] of Object.entries(made)) {
  const known = await Promise.all(inputs.map(async (one) => [one, digest(await read(one))]));
  manifest[name] = { ...await keep(fresh, name, bytes), inputs: Object.fromEntries(known) };
}
await writeFile(path.join(fresh, 'manifest.json'), JSON.stringify(manifest, null, 1));
await rm(BUILT, { recursive: true, force: true });
await rename(fresh, BUILT);
