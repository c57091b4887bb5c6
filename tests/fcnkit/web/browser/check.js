// Clicks through the preview as test_browser.py serves it:
//   node check.js FOLDER CHROMIUM ADDRESS PAGES
// PAGES is the path of page.js beside the extension's own check. Assertions throw; screenshots and
// downloads land in FOLDER, and `known.json` there says what is to be found.
'use strict';
const assert = require('assert');
const fs = require('fs');
const path = require('path');
const [folder, executablePath, address, pages] = process.argv.slice(2);
const driver = require(pages);
const {painted, frames, pixels, slide, click, downloaded} = driver;
const known = JSON.parse(fs.readFileSync(path.join(folder, 'known.json')));

const shot = (page, name, fullPage = false) =>
    page.screenshot({path: path.join(folder, name + '.png'), fullPage});
const text = (page, selector) => page.$eval(selector, (e) => e.textContent);

// The model's page, its options there; requests to anywhere else are trouble.
async function model(browser, from = address) {
    const page = await driver.open(browser, from);
    page.on('request', (r) => {
        if (!/^(data|blob):/.test(r.url()) && !r.url().startsWith(from)) {
            page.trouble.push('asked for ' + r.url());
        }
    });
    await options(page);
    return page;
}

const options = (page) => page.waitForSelector('#view_extension-details select[name=palette]');

// Presses a button that leads to another page.
async function press(page, selector) {
    await Promise.all([page.waitForNavigation({timeout: 60000}), page.click(selector)]);
    await painted(page);
}

async function back(page) {
    await page.goto(address);
    await options(page);
}

async function fits(page) {
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert(wide <= 0, `the page is ${wide} pixels too wide`);
}

// Test One of scores that infer wrote: the controls act, the downloads land.
async function one(browser) {
    const page = await model(browser);
    await shot(page, 'model', true);
    await fits(page);
    await page.hover('#view_extension-details .glyphicon-question-sign');
    await page.waitForSelector('.tooltip.in');
    await page.select('#image_path', String(known.samples.indexOf('street')));
    await press(page, '[name=infer-one-btn]');
    assert.strictEqual(await text(page, '.host-name'), 'street');
    await shot(page, 'test_one');
    await shot(page, 'test_one_whole', true);
    await fits(page);
    const first = await pixels(page);
    const seen = new Set([first.toString('base64')]);
    for (const view of ['classes', 'confidence', 'image']) {
        await click(page, `[data-view=${view}]`);
        seen.add((await pixels(page)).toString('base64'));
    }
    assert.strictEqual(seen.size, 4, 'two views look alike');
    await click(page, '[data-view=overlay]');
    for (const [name, value] of [['outline', 6], ['fill', 1], ['mask', 0.8]]) {
        const before = await pixels(page);
        await slide(page, name, value);
        assert(!before.equals(await pixels(page)), name + ' changes nothing');
    }
    await click(page, '[data-control=reset]');
    assert(first.equals(await pixels(page)));
    await page.hover('.fcn-main');
    await frames(page);
    assert(/score/.test(await text(page, '.fcn-pointer')));
    await click(page, '.fcn-legend tr[data-class="6"]');
    assert(!first.equals(await pixels(page)));
    for (const [what, ending] of [['mask', '_mask.png'], ['json', '_map.json'], ['picture', '_overlay.png']]) {
        await downloaded(page, folder, what, 'street' + ending);
    }
    assert.deepStrictEqual(page.trouble, []);
    await page.close();
}

// Another palette is chosen among the options; a wrong option comes back with words.
async function palette(browser) {
    const page = await model(browser);
    await page.select('[name=palette]', 'even');
    await page.select('#image_path', String(known.samples.indexOf('street')));
    await press(page, '[name=infer-one-btn]');
    const colours = await page.$$eval('.fcn-legend .fcn-swatch', (all) => all.map((e) => e.style.backgroundColor));
    assert(!colours.includes('rgb(0, 128, 128)'), 'the bus is still in VOC\'s colour');
    await back(page);
    await page.select('[name=palette]', 'file');
    await Promise.all([page.waitForNavigation(), page.click('[name=infer-one-btn]')]);
    assert(/Enter a palette file/.test(await text(page, '.alert-danger')));
    await shot(page, 'refused', true);
    // The answer's status is the one thing the browser complains about.
    assert.deepStrictEqual(page.trouble.filter((words) => !/status of 400/.test(words)), []);
    await page.close();
}

// Test Many of two samples.
async function many(browser) {
    const page = await model(browser);
    await page.select('#image_list', ...['street', 'street_2'].map((n) => String(known.samples.indexOf(n))));
    await press(page, '[name=infer-many-btn]');
    assert.strictEqual((await page.$$('.fcn-map')).length, 2);
    await shot(page, 'test_many', true);
    await fits(page);
    assert.deepStrictEqual(page.trouble, []);
    await page.close();
}

// Names that would run elsewhere, of files and classes, are shown as text.
async function names(browser) {
    const page = await model(browser, known.nasty);
    await shot(page, 'names_model', true);
    await fits(page);
    await press(page, '[name=infer-many-btn]');
    const cells = await page.$$eval('.host-samples td.host-name', (all) => all.map((c) => c.textContent));
    assert.deepStrictEqual(cells, known.names);
    assert.strictEqual((await page.$$('.fcn-map')).length, known.names.length);
    await fits(page);
    await shot(page, 'names');
    await page.goto(known.nasty);
    await options(page);
    await press(page, '[name=infer-one-btn]');
    assert.strictEqual(await text(page, 'small.host-name'), known.names[0]);
    await page.goto(known.nasty + 'datasets/0');
    const classes = await page.$$eval('.host-classes .host-name', (all) => all.map((c) => c.textContent));
    assert.deepStrictEqual(classes.slice(0, known.classes.length), known.classes);
    assert.strictEqual(await page.evaluate(() => window.pwned), undefined);
    assert.deepStrictEqual(page.trouble, []);
    await page.close();
}

// Images are uploaded, one and two, and go through the net.
async function uploads(browser) {
    const page = await model(browser, known.tiny);
    await (await page.$('#image_file')).uploadFile(known.upload);
    await press(page, '[name=infer-one-btn]');
    assert.strictEqual(await text(page, '.host-name'), path.basename(known.upload));
    await downloaded(page, folder, 'mask', path.basename(known.upload).replace(/[^A-Za-z0-9.-]+/g, '_') + '_mask.png');
    await page.goto(known.tiny);
    await options(page);
    await (await page.$('#image_files')).uploadFile(known.upload, known.broken);
    await press(page, '[name=infer-many-btn]');
    assert.strictEqual((await page.$$('.fcn-map')).length, 1);
    assert(/cannot be read as an image/.test(await text(page, '.alert-warning')));
    assert.deepStrictEqual(page.trouble, []);
    await page.close();
}

// A data extension makes a dataset, whose own form then picks what to test, with ground truth.
async function dataset(browser) {
    const page = await model(browser);
    await page.click('.dropdown-toggle');
    await page.waitForSelector('.dropdown.open');
    await press(page, '.dropdown-menu a[href*=fcn-voc-segmentation]');
    await page.type('[name=source]', '/data/VOC2012');
    await Promise.all([page.waitForNavigation(), page.click('[name=create-dataset]')]);
    assert(await page.$('.has-error'), 'a wrong folder is not told');
    await shot(page, 'dataset_new', true);
    await page.$eval('[name=source]', (e, value) => { e.value = value; }, known.voc);
    await press(page, '[name=create-dataset]');
    assert.strictEqual(await page.$$eval('.host-classes tr', (rows) => rows.length), 21);
    await shot(page, 'dataset', true);
    await back(page);
    await page.select('#dataset', '1');
    await page.waitForSelector('#custom-inference-form-html [name=pick]', {visible: true});
    await page.select('[name=pick]', 'street');
    await shot(page, 'inference_form', true);
    await press(page, '[name=infer-extension-btn]');
    await click(page, '[data-truth=difference]');
    assert(/Mean IoU/.test(await text(page, '.fcn-side')), 'the ground truth is not found');
    await shot(page, 'ground_truth');
    assert.deepStrictEqual(page.trouble.filter((words) => !/status of 400/.test(words)), []);
    await page.close();
}

(async () => {
    const browser = await driver.launch(executablePath, folder);
    try {
        for (const check of [one, palette, many, names, uploads, dataset]) { await check(browser); }
    } finally {
        await browser.close();
    }
    console.log('all pages checked');
})().catch((error) => { console.error(error); process.exit(1); });
