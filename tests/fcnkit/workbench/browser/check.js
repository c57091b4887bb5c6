// From an empty jobs folder to a mask, as test_browser.py serves it:
//   node check.js FOLDER CHROMIUM ADDRESS MODULES
// MODULES holds puppeteer-core and axe-core. Assertions throw; screenshots and the downloaded mask land in FOLDER,
// and `known.json` there says what is to be found.
'use strict';
const assert = require('assert');
const fs = require('fs');
const path = require('path');
const [folder, executablePath, address, modules] = process.argv.slice(2);
const puppeteer = require(path.join(modules, 'puppeteer-core'));
const axe = fs.readFileSync(path.join(modules, 'axe-core', 'axe.min.js'), 'utf8');
const known = JSON.parse(fs.readFileSync(path.join(folder, 'known.json')));
const MINUTE = 60000;
const faults = [];
const seen = [];
let clicks = 0;

const pause = (seconds) => new Promise((done) => setTimeout(done, 1000 * seconds));
const text = (page, selector) => page.$eval(selector, (e) => e.textContent.trim());

// Clicks as a person does; those that lead elsewhere wait for the page.
async function click(page, selector, leads = true) {
    clicks += 1;
    if (leads) { await Promise.all([page.waitForNavigation({timeout: MINUTE}), page.click(selector)]); }
    else { await page.click(selector); }
}

// No page is wider than its window, and none has a serious fault of accessibility.
async function look(page, name, sizes = [375, 1600]) {
    if (seen.includes(name)) { return; }
    seen.push(name);
    for (const scheme of ['dark', 'light']) {
        await page.emulateMediaFeatures([{name: 'prefers-color-scheme', value: scheme}]);
        await page.evaluate(axe);
        const found = await page.evaluate(() => axe.run(document, {resultTypes: ['violations'], iframes: false}));
        for (const each of found.violations) {
            if (['serious', 'critical'].includes(each.impact)) {
                faults.push(`${name}, ${scheme}: ${each.id}: ${each.nodes.slice(0, 3).map((n) => n.html.slice(0, 160)).join(' | ')}`);
            }
        }
    }
    for (const width of sizes) {
        await page.setViewport({width, height: 800});
        await pause(0.3);
        const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        if (wide > 0) { faults.push(`${name}: ${wide} pixels too wide at ${width}`); }
    }
    await page.setViewport({width: 1200, height: 800});
    await pause(0.4);
    await page.screenshot({path: path.join(folder, name + '.png')});
}

const state = (page) => text(page, '[data-live] [data-part=state]');
const until = (page, wanted, seconds = 180) => page.waitForFunction(
    (each) => each.includes((document.querySelector('[data-live]') || {dataset: {}}).dataset.state), {timeout: 1000 * seconds}, wanted);

async function flow(page) {
    await page.goto(address);
    await look(page, '01_home_empty');
    await click(page, '.empty a.primary');
    await page.type('[name=dataset_name]', 'shapes');
    await page.type('[name=source]', 'shapes.tar');
    await page.type('[name=class_labels]', known.classes.join('\n'));
    await look(page, '02_new_dataset');
    await click(page, '[name=create-dataset]');
    await look(page, '03_dataset_running', []);
    await until(page, ['done']);
    await page.waitForSelector('.strip img');
    await look(page, '04_dataset');
    await click(page, 'a[href$="/explore"]');
    await Promise.all([page.waitForNavigation(), page.select('[name=class]', '4')]);
    await page.waitForFunction(() => Array.from(document.images).slice(0, 12).every((i) => i.complete));
    await look(page, '05_explore');
    await click(page, '.grid a');
    await page.waitForSelector('[data-painted]');
    await look(page, '06_entry');
    await page.goBack();
    await page.goBack();
    await page.goBack();
    await click(page, 'a.primary');
    await page.type('[name=model_name]', 'FCN of shapes');
    await page.select('[name=classifier]', 'shapes_classifier');
    await page.select('[name=surgery_stride]', '4');
    await page.type('[name=classifier_weights]', 'shapes_classifier.caffemodel');
    for (const [name, value] of Object.entries({train_epochs: '2', val_interval: '0.5', snapshot_interval: '0.5', learning_rate: '0.02'})) {
        await page.$eval(`[name=${name}]`, (e, v) => { e.value = v; }, value);
    }
    await page.waitForFunction(() => document.querySelector('[data-card]').textContent.length > 100);
    await look(page, '07_new_model');
    await click(page, '[name=create-model]');
    // The curves move.
    await page.waitForFunction(() => Number(document.querySelector('[data-curves]').dataset.points) > 2, {timeout: 5 * MINUTE});
    const before = await page.$eval('[data-curves]', (e) => Number(e.dataset.points));
    await page.waitForFunction((n) => Number(document.querySelector('[data-curves]').dataset.points) > n, {timeout: 3 * MINUTE}, before);
    await look(page, '08_training');
    await click(page, 'form[action$="/abort"] button');
    await until(page, ['aborted']);
    await page.waitForSelector('form[action$="/resume"]');
    await look(page, '09_aborted');
    const kept = await page.$$eval('.links', (rows) => rows.length);
    assert(kept >= 1, 'no snapshot was taken');
    await click(page, 'form[action$="/resume"] button');
    await until(page, ['done'], 400);
    await page.waitForSelector('a.primary');
    await page.waitForFunction(() => document.querySelectorAll('.u-wrap').length === 4);
    await look(page, '10_model');
    assert(/continuing from/.test(await page.evaluate(async () => (await fetch(document.querySelector('a[href$="/log.txt"]').href)).text())), 'it did not resume');
    await click(page, 'a.primary');
    await look(page, '11_test');
    await (await page.$('[name=image_file]')).uploadFile(known.image);
    await click(page, '[name=infer-one-btn]');
    await page.waitForSelector('[data-painted]');
    await page.hover('canvas');
    await look(page, '12_mask');
    const session = await page.createCDPSession();
    await session.send('Browser.setDownloadBehavior', {behavior: 'allow', downloadPath: path.join(folder, 'downloads')});
    await click(page, '[data-download=mask]', false);
    for (let i = 0; i < 100 && !fs.existsSync(path.join(folder, 'downloads', known.mask)); i++) { await pause(0.1); }
    assert(fs.existsSync(path.join(folder, 'downloads', known.mask)), 'no mask came down');
    console.log(`${clicks} clicks`);
    assert(clicks <= 15, `${clicks} clicks`);
}

// A visualization of an installed extension of DIGITS, from a model's page of tests and back.
async function visualization(page) {
    const known = await page.$$eval('#dataset-view_extension_id option', (all) => all.map((e) => e.value).filter(Boolean));
    if (!known.length) { return; }
    await page.select('#dataset-view_extension_id', known[0]);
    await page.waitForSelector('form[action*="infer_dataset"] [data-view-options] select');
    await look(page, '27_view_options');
    await Promise.all([page.waitForNavigation({timeout: 2 * MINUTE}), page.click('[name=infer-db-btn]')]);
    const frame = await (await page.waitForSelector('iframe')).contentFrame();
    await frame.waitForFunction(() => document.querySelectorAll('.fcn-legend .fcn-swatch').length > 6);
    const reached = await frame.evaluate(() => { try { return Boolean(parent.document.body); } catch (e) { return document.cookie || false; } }).catch(() => false);
    assert.strictEqual(reached, false, 'the frame reaches the page around it');
    await look(page, '28_view');
    await page.goBack();
}

// What the way to the mask does not pass: views, ground truth, comparing, names, the trash, the log-in.
async function rest(page) {
    const painted = () => page.$eval('canvas', (c) => c.toDataURL());
    const first = await painted();
    for (const view of ['mask', 'image']) {
        await page.click(`[data-view=${view}]`);
        assert.notStrictEqual(await painted(), first, `${view} looks like the overlay`);
    }
    assert(/\d+, \d+: /.test(await text(page, '[data-pointer]')), 'the pointer names no class');
    await page.goBack();
    await Promise.all([page.waitForNavigation({timeout: 2 * MINUTE}), page.click('[name=infer-db-btn]')]);
    await page.waitForFunction(() => document.querySelectorAll('[data-painted]').length === 12, {timeout: MINUTE});
    await page.click('[data-view=difference]');
    await look(page, '13_truth');
    await page.goBack();
    await visualization(page);
    await Promise.all([page.waitForNavigation(), page.click('a[href*="/layers"]')]);
    await look(page, '19_layers');
    // A second model, never trained, to clone and to throw away.
    await page.goto(address);
    await look(page, '14_home');
    await page.click('[data-row] .menu summary');
    const fits = await page.$eval('[data-row] .menu input[name=job_name]', (e) => e.getBoundingClientRect().right <= e.closest('td').getBoundingClientRect().right);
    assert(fits, 'a menu is wider than its place');
    await page.keyboard.press('Escape');
    assert(!await page.$eval('[data-row] .menu', (e) => e.open), 'Escape does not close a menu');
    await page.click('[data-row] .menu summary');
    await page.click('[data-row] .menu a');
    await page.waitForSelector('#model-form');
    assert.strictEqual(await page.$eval('[name=model_name]', (e) => e.value), 'FCN of shapes (copy)');
    assert.strictEqual(await page.$eval('[name=learning_rate]', (e) => e.value), '0.02');
    assert(!await page.$eval('[data-classifier-net]', (e) => e.open));
    await page.select('[name=classifier]', '');
    assert(await page.$eval('[data-classifier-net]', (e) => e.open), 'nothing asks for the prototxt of another classifier');
    await page.select('[name=classifier]', 'shapes_classifier');
    await page.$$eval('details', (all) => all.forEach((e) => { e.open = true; }));
    const samples = async () => {
        await page.waitForFunction(() => document.querySelectorAll('[data-sampled] .pair img').length === 16);
        return page.$eval('[data-sampled] img', (e) => e.src);
    };
    const plain = await samples();
    await page.select('[name=augment]', 'gluoncv');
    await page.type('[name=crop_size]', '48x64');
    await page.waitForFunction(() => /gluoncv crop=48x64$/.test(document.querySelector('[data-augment-text]').textContent));
    assert.notStrictEqual(await samples(), plain, 'the samples do not follow the fields');
    await page.$eval('[data-augmented]', (e) => e.scrollIntoView());
    await look(page, '25_augmentation');
    await page.type('[name=augment_rotate]', '300');
    await page.waitForSelector('.field.wrong [name=augment_rotate][aria-invalid=true]');
    await look(page, '26_augmentation_refused');
    await page.$eval('[name=augment_rotate]', (e) => { e.value = ''; e.dispatchEvent(new Event('input')); });
    await page.waitForFunction(() => !document.querySelector('.field.wrong'));
    // Files on the server: from a place that is not there to the beginning, by the keyboard.
    await page.$eval('[name=classifier_weights]', (e) => { e.value = 'nowhere/x.caffemodel'; e.nextElementSibling.click(); });
    await page.waitForFunction(() => document.activeElement.textContent === 'Use this folder');
    assert((await page.$$('dialog[open] li')).length > 2);
    await page.keyboard.press('Escape');
    // A field that is wrong is shown, wherever it is; what the policy hides is not asked for.
    await page.select('[name=lr_policy]', 'step');
    await page.$eval('[name=lr_step_size]', (e) => { e.value = ''; });
    await page.select('[name=lr_policy]', 'poly');
    await page.$eval('[name=momentum]', (e) => { e.value = ''; e.closest('details').open = false; });
    await page.click('[name=create-model]');
    await page.waitForFunction(() => document.activeElement.name === 'momentum' && document.activeElement.closest('details').open);
    await page.$eval('[name=momentum]', (e) => { e.value = '0.9'; });
    await page.select('[name=method]', 'standard');
    await page.$eval('[data-picture-box]', (e) => { e.open = true; });
    await page.waitForFunction(() => document.querySelector('[data-network-picture]').naturalWidth > 100);
    await page.select('[name=method]', 'custom');
    await page.type('[name=custom_network]', 'layer { name: "a" type: }');
    await page.waitForFunction(() => /line 1/.test(document.querySelector('[data-checked]').textContent));
    await look(page, '15_prototxt');
    await page.click('[data-draw]');
    await page.waitForFunction(() => /network:1:/.test(document.querySelector('[data-drawn]').textContent));
    await page.$eval('[name=train_epochs]', (e) => { e.value = '-1'; e.form.noValidate = true; });
    await Promise.all([page.waitForNavigation(), page.click('[name=create-model]')]);
    assert(await page.$('.field.wrong [name=train_epochs]'), 'the error is not at its field');
    await look(page, '16_refused');
    await page.goto(address + 'trash');
    await look(page, '17_trash');
    await page.goto(address + 'models/none');
    await look(page, '18_error');
    // A copy of the model's folder is a model, once the server has looked.
    const model = (await (await fetch(address + 'index.json')).json()).models[0].id;
    const copy = '20200101-000000-0000';
    fs.cpSync(path.join(known.jobs, model), path.join(known.jobs, copy), {recursive: true});
    const models = async () => (await (await fetch(address + 'index.json')).json()).models.length;
    for (let i = 0; i < 120 && await models() < 2; i++) { await pause(0.5); }
    await page.goto(`${address}compare?model=${model}&model=${copy}`);
    await page.waitForFunction(() => Array.from(document.querySelectorAll('[data-part=agreement]')).every((e) => e.textContent));
    assert(/100/.test(await text(page, '[data-part=agreement]')), 'a copy does not agree with its model');
    await look(page, '20_compare');
    await page.goto(`${address}models/${model}/masks`);
    await page.waitForFunction(() => Array.from(document.images).slice(0, 4).every((i) => i.complete && i.naturalWidth));
    await look(page, '24_snapshots');
    await page.goto(known.locked);
    await look(page, '21_log_in');
    await page.type('[name=password]', 'wrong');
    await Promise.all([page.waitForNavigation(), page.click('button.primary')]);
    await page.waitForSelector('[role=alert]');
    await look(page, '22_log_in_refused');
    await page.type('[name=password]', 'secret');
    await Promise.all([page.waitForNavigation(), page.click('button.primary')]);
    await look(page, '23_logged_in');
}

(async () => {
    const browser = await puppeteer.launch({executablePath, headless: true, protocolTimeout: 10 * MINUTE, args: ['--no-sandbox', '--disable-gpu', '--force-color-profile=srgb', '--hide-scrollbars']});
    try {
        const page = await browser.newPage();
        const trouble = [];
        page.on('pageerror', (e) => trouble.push(String(e)));
        page.on('console', (m) => { if (m.type() === 'error' && !/status of 4\d\d/.test(m.text())) { trouble.push(m.text()); } });
        page.on('request', (r) => { if (!/^(data|blob):/.test(r.url()) && ![address, known.locked].some((a) => r.url().startsWith(a))) { trouble.push('asked for ' + r.url()); } });
        await page.setViewport({width: 1200, height: 800});
        page.setDefaultTimeout(3 * MINUTE);
        try {
            await flow(page);
            await rest(page);
        } catch (error) {
            await page.screenshot({path: path.join(folder, 'failed.png'), fullPage: true});
            console.error(trouble);
            throw error;
        }
        assert.deepStrictEqual(faults, []);
        assert.deepStrictEqual(trouble, []);
    } finally {
        await browser.close();
    }
    console.log('all pages checked: ' + seen.join(', '));
})().catch((error) => { console.error(error, faults); process.exit(1); });
