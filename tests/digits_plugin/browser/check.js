// Clicks through the pages that test_digits_browser.py wrote: node check.js FOLDER CHROMIUM
// Assertions throw; screenshots and downloads land in FOLDER.
'use strict';
const assert = require('assert');
const fs = require('fs');
const path = require('path');
const driver = require('./page.js');
const {painted, frames, pixels, colour, slide, click} = driver;
const [folder, executablePath] = process.argv.slice(2);

const open = (browser, name) => driver.open(browser, 'file://' + path.join(folder, name));
const downloaded = (page, what, name) => driver.downloaded(page, folder, what, name);
const shot = (page, name) => page.screenshot({path: path.join(folder, name + '.png')});

// Test One: every control, the pointer, the downloads, what is remembered.
async function one(browser, name) {
    const page = await open(browser, name);
    const known = JSON.parse(fs.readFileSync(path.join(folder, 'one.json')));
    await shot(page, 'overlay');

    const first = await pixels(page);
    let sum = 0;
    known.overlay.forEach((v, i) => { sum += Math.abs(v - first[4 * Math.floor(i / 3) + i % 3]); });
    assert(sum / known.overlay.length < 1, 'overlay differs from paint.py by ' + sum / known.overlay.length);

    const seen = {};
    for (const view of ['classes', 'confidence', 'image', 'overlay']) {
        await click(page, `[data-view=${view}]`);
        seen[view] = await pixels(page);
        await shot(page, view);
    }
    assert(seen.overlay.equals(first));
    assert.strictEqual(new Set(Object.values(seen).map((b) => b.toString('base64'))).size, 4, 'two views look alike');
    const at = 4 * (known.inside.y * known.width + known.inside.x);
    assert.deepStrictEqual(colour(seen.classes, at), known.inside.colour);

    await slide(page, 'fill', 1);
    assert.deepStrictEqual(colour(await pixels(page), at), known.inside.colour);
    await shot(page, 'fill');
    await slide(page, 'fill', 0.2);
    await slide(page, 'outline', 6);
    await shot(page, 'outline');
    const wide = await pixels(page);
    await slide(page, 'outline', 0);
    assert(!wide.equals(await pixels(page)));
    await slide(page, 'mask', 1);
    assert.deepStrictEqual(colour(await pixels(page), 0), [0, 0, 0]);
    await slide(page, 'outline', 3);
    await slide(page, 'mask', 0.7);
    await shot(page, 'mask');

    await page.reload();
    await painted(page);
    const kept = await page.evaluate(() => ['fill', 'mask', 'outline'].map((n) =>
        Number(document.querySelector(`[data-control=${n}]`).value)));
    assert.deepStrictEqual(kept, [0.2, 0.7, 3], 'controls are not remembered: ' + kept);
    await click(page, '[data-control=reset]');
    assert(first.equals(await pixels(page)), 'reset does not bring back the first picture');

    await click(page, '[data-truth=beside]');
    await shot(page, 'ground_truth');
    assert(await page.$eval('.fcn-truth', (c) => c.offsetWidth > 100), 'no ground truth beside');
    await click(page, '[data-truth=difference]');
    await shot(page, 'difference');
    const difference = await pixels(page);
    let wrong = 0;
    for (let i = 0; i < difference.length; i += 4) { wrong += difference[i] - difference[i + 1] > 80; }
    assert.strictEqual(wrong, known.wrong, 'pixels in red');
    await click(page, '[data-truth=off]');

    const box = await (await page.$('.fcn-main')).boundingBox();
    // Mouse events carry whole numbers, so the pixel's left upper corner is pointed at.
    await page.mouse.move(Math.ceil(box.x + known.inside.x * box.width / known.width),
                          Math.ceil(box.y + known.inside.y * box.height / known.height));
    await frames(page);
    const said = await page.$eval('.fcn-pointer', (e) => e.innerText.replace(/\s+/g, ' '));
    for (const word of [known.inside.name, known.inside.confidence + ' %', `x ${known.inside.x}`,
                        `y ${known.inside.y}`, 'score', 'truth: ' + known.inside.truth]) {
        assert(said.includes(word), `pointer says '${said}', not '${word}'`);
    }
    assert.strictEqual(await page.$eval('.fcn-legend tr.info', (e) => Number(e.dataset.class)), known.inside.index);
    await shot(page, 'pointer');

    await click(page, `.fcn-legend tr[data-class="${known.inside.index}"]`);
    assert(!first.equals(await pixels(page)));
    await shot(page, 'legend');
    await click(page, `.fcn-legend tr[data-class="${known.inside.index}"]`);
    const legend = await page.$$eval('.fcn-legend tr[data-class]', (rows) =>
        rows.map((r) => [Number(r.dataset.class), r.cells[2].innerText, r.cells[4].innerText]));
    assert.deepStrictEqual(legend, known.legend);

    await downloaded(page, 'mask', known.file + '_mask.png');
    await downloaded(page, 'json', known.file + '_map.json');
    await downloaded(page, 'picture', known.file + '_overlay.png');
    assert.deepStrictEqual(page.trouble, []);
    await page.close();
}

// Test Many with two outputs and words in the header.
async function many(browser) {
    const page = await open(browser, 'many.html');
    assert.strictEqual((await page.$$('.fcn-map')).length, 6);
    await page.screenshot({path: path.join(folder, 'many.png'), fullPage: true});
    await slide(page, 'fill', 0.9);
    assert.deepStrictEqual(page.trouble, []);
    await click(page, '[data-control=reset]');
    await page.close();
}

// Names that would run or break a careless page: they show as text, and nothing runs.
async function nasty(browser) {
    const page = await open(browser, 'nasty.html');
    const names = JSON.parse(fs.readFileSync(path.join(folder, 'nasty.json')));
    const shown = await page.$$eval('.fcn-name', (cells) => cells.map((c) => c.textContent));
    assert.deepStrictEqual(shown.slice().sort(), names.slice().sort());
    const box = await (await page.$('.fcn-main')).boundingBox();
    for (let i = 0; i < names.length; i++) {
        await page.mouse.move(box.x + (i + 0.5) * box.width / names.length, box.y + 5);
        await frames(page);
    }
    assert.strictEqual(await page.evaluate(() => window.pwned), undefined);
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert(wide <= 0, `the page is ${wide} pixels too wide`);
    assert.deepStrictEqual(page.trouble, []);
    await page.screenshot({path: path.join(folder, 'nasty.png'), fullPage: true});
    await page.close();
}

// Sizes at the ends, errors, and maps without scores.
async function ends(browser) {
    const page = await open(browser, 'ends.html');
    await page.screenshot({path: path.join(folder, 'ends.png'), fullPage: true});
    const sizes = await page.$$eval('.fcn-main', (all) => all.map((c) => [c.width, c.height]));
    assert.deepStrictEqual(sizes.slice(0, 2), [[1, 1], [16, 16]]);
    assert.strictEqual((await page.$$('.alert-danger')).length, 1);
    await page.click('[data-view=confidence]');
    assert.deepStrictEqual(page.trouble, []);
    await page.close();
}

// The three forms: only looked at.
async function forms(browser) {
    const page = await open(browser, 'forms.html');
    assert.strictEqual((await page.$$('.has-error')).length, 1);
    await page.screenshot({path: path.join(folder, 'forms.png'), fullPage: true});
    await page.close();
}

(async () => {
    const browser = await driver.launch(executablePath, folder);
    try {
        await one(browser, 'one.html');
        await one(browser, 'one18.html');
        await many(browser);
        await nasty(browser);
        await ends(browser);
        await forms(browser);
    } finally {
        await browser.close();
    }
    console.log('all pages checked');
})().catch((error) => { console.error(error); process.exit(1); });
