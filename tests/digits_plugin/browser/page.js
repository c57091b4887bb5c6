// Driving pages with class maps in headless Chromium; shared by the checks of several rooms.
'use strict';
const assert = require('assert');
const fs = require('fs');
const path = require('path');
const puppeteer = require('puppeteer-core');

// A browser whose downloads land in `folder`/downloads.
async function launch(executablePath, folder) {
    const browser = await puppeteer.launch({
        executablePath, headless: true,
        args: ['--no-sandbox', '--disable-gpu', '--force-color-profile=srgb', '--hide-scrollbars',
               '--allow-file-access-from-files']
    });
    const session = await browser.target().createCDPSession();
    await session.send('Browser.setDownloadBehavior',
                       {behavior: 'allow', downloadPath: path.join(folder, 'downloads')});
    return browser;
}

// A page at `address`; whatever goes wrong on it is kept in `page.trouble`.
async function open(browser, address) {
    const page = await browser.newPage();
    const trouble = [];
    page.on('pageerror', (e) => trouble.push(String(e)));
    page.on('console', (m) => { if (m.type() === 'error') { trouble.push(m.text()); } });
    page.on('dialog', (d) => { trouble.push('dialog ' + d.message()); d.dismiss(); });
    await page.setViewport({width: 1180, height: 800});
    await page.goto(address);
    await painted(page);
    page.trouble = trouble;
    return page;
}

// Waits until every class map is painted and two frames have passed.
async function painted(page) {
    await page.waitForFunction(() => Array.from(document.querySelectorAll('.fcn-map'))
        .every((e) => e.dataset.painted), {timeout: 60000});
    await frames(page);
}

const frames = (page) => page.evaluate(() => new Promise((done) =>
    requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 30)))));

// RGBA bytes of a canvas. They come as base64: a list of numbers takes seconds to hand over.
const pixels = async (page, selector = '.fcn-main') => Buffer.from(await page.$eval(selector, (c) => {
    const bytes = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
    let text = '';
    for (let i = 0; i < bytes.length; i += 8192) {
        text += String.fromCharCode.apply(null, bytes.subarray(i, i + 8192));
    }
    return btoa(text);
}), 'base64');
const colour = (buffer, at) => Array.from(buffer.subarray(at, at + 3));

async function slide(page, name, value) {
    await page.$eval(`[data-control=${name}]`, (e, v) => {
        e.value = v;
        e.dispatchEvent(new Event('input', {bubbles: true}));
        e.dispatchEvent(new Event('change', {bubbles: true}));
    }, String(value));
    await frames(page);
}

async function click(page, selector) {
    await page.click(selector);
    await frames(page);
}

// Clicks a button of downloads and waits for the file `name` in `folder`/downloads.
async function downloaded(page, folder, what, name) {
    const file = path.join(folder, 'downloads', name);
    await page.click(`[data-download=${what}]`);
    for (let i = 0; i < 100 && !fs.existsSync(file); i++) {
        await new Promise((done) => setTimeout(done, 50));
    }
    assert(fs.existsSync(file), `no download ${name}, there are ${fs.readdirSync(path.join(folder, 'downloads'))}`);
}

module.exports = {launch, open, painted, frames, pixels, colour, slide, click, downloaded};
