// Opens the page of moving_on.md and segments an image:
//   node segment.js FOLDER CHROMIUM ADDRESS PAGES IMAGE
// PAGES is the path of page.js of the extension's browser check. The mask goes to FOLDER/mask.json.
'use strict';
const assert = require('assert');
const fs = require('fs');
const path = require('path');
const [folder, executablePath, address, pages, image] = process.argv.slice(2);
const driver = require(pages);

(async () => {
    const browser = await driver.launch(executablePath, folder);
    try {
        const page = await driver.open(browser, address);
        await (await page.$('input[type=file]')).uploadFile(image);
        const mask = await page.evaluate(async () => {
            const bitmap = await createImageBitmap(document.querySelector('input').files[0]);
            return Array.from(await segment(bitmap));
        });
        const size = await page.$eval('canvas', (c) => [c.height, c.width]);
        fs.writeFileSync(path.join(folder, 'mask.json'), JSON.stringify({mask, size}));
        assert.deepStrictEqual(page.trouble.filter((text) => !/favicon|404/.test(text)), []);
    } finally {
        await browser.close();
    }
})().catch((error) => { console.error(error); process.exit(1); });
