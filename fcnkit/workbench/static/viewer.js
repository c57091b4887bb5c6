// A picture under its mask: views, opacity, and the class under the pointer.
'use strict';

function picture(address) {
    return new Promise((done, failed) => {
        const image = new Image();
        image.onload = () => done(image);
        image.onerror = failed;
        image.src = address;
    });
}

function pixelsOf(image, width, height) {
    const canvas = document.createElement('canvas');
    canvas.width = width;
    canvas.height = height;
    const context = canvas.getContext('2d', {willReadFrequently: true});
    context.imageSmoothingEnabled = false;
    context.drawImage(image, 0, 0, width, height);
    return context.getImageData(0, 0, width, height).data;
}

async function viewer(root) {
    const {image, indices, truth} = root.dataset;
    const names = JSON.parse(root.dataset.names), palette = JSON.parse(root.dataset.palette);
    const [photo, map, label] = await Promise.all([image, indices, truth].map((a) => a && picture(a)));
    const width = map.naturalWidth, height = map.naturalHeight;
    const canvas = root.querySelector('canvas');
    canvas.width = width;
    canvas.height = height;
    // Small pictures are enlarged, tall ones fit the window.
    const wide = Math.min(Math.max(width, 416), 0.75 * innerHeight * width / height);
    root.querySelector('.stage').style.flexBasis = Math.round(wide) + 'px';
    const context = canvas.getContext('2d');
    const base = pixelsOf(photo, width, height), classes = pixelsOf(map, width, height);
    const right = label && pixelsOf(label, width, height);
    const slider = root.querySelector('[data-opacity-of]');
    let view = 'overlay', only = null;

    function draw() {
        const out = context.createImageData(width, height);
        const strength = Number(slider.value);
        const source = view === 'truth' ? right : classes;
        for (let i = 0; i < classes.length; i += 4) {
            const index = source[i], colour = palette[index];
            // Black classes show the image, as in the overlays that infer writes.
            let share = view === 'image' ? 0 : view === 'mask' ? 1 : colour[0] || colour[1] || colour[2] ? strength : 0;
            let paint = colour;
            if (only !== null && view !== 'mask') { share = index === only ? Math.max(share, strength) : 0; }
            if (view === 'difference') {
                share = right[i] !== 255 && right[i] !== classes[i] ? Math.max(strength, 0.6) : 0;
                paint = [220, 0, 40];
            }
            for (let c = 0; c < 3; c++) { out.data[i + c] = Math.round(base[i + c] * (1 - share) + paint[c] * share); }
            out.data[i + 3] = 255;
        }
        context.putImageData(out, 0, 0);
        root.dataset.painted = view;
    }

    const title = (index) => names[index] || (index === 255 ? 'ignored' : 'class ' + index);
    const said = root.querySelector('[data-pointer]');
    let at = {x: Math.floor(width / 2), y: Math.floor(height / 2)};
    function look(x, y) {
        at = {x: Math.min(width - 1, Math.max(0, x)), y: Math.min(height - 1, Math.max(0, y))};
        const place = 4 * (at.y * width + at.x);
        const more = right ? `, truth: ${title(right[place])}` : '';
        said.textContent = `${at.x}, ${at.y}: ${title(classes[place])}${more}`;
    }
    canvas.addEventListener('pointermove', (event) => {
        const box = canvas.getBoundingClientRect();
        said.setAttribute('aria-live', 'off');
        look(Math.floor((event.clientX - box.left) / box.width * width), Math.floor((event.clientY - box.top) / box.height * height));
    });
    // The same by the arrow keys, in long steps with Shift; then it is read aloud.
    canvas.addEventListener('keydown', (event) => {
        const way = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]}[event.key];
        if (!way) { return; }
        event.preventDefault();
        said.setAttribute('aria-live', 'polite');
        const step = event.shiftKey ? Math.max(1, Math.round(Math.max(width, height) / 20)) : 1;
        look(at.x + step * way[0], at.y + step * way[1]);
    });
    root.querySelectorAll('[data-view]').forEach((button) => button.addEventListener('click', () => {
        view = button.dataset.view;
        root.querySelectorAll('[data-view]').forEach((e) => e.setAttribute('aria-pressed', String(e === button)));
        draw();
    }));
    slider.addEventListener('input', draw);
    root.querySelectorAll('[data-class]').forEach((row) => {
        row.addEventListener('pointerenter', () => { only = Number(row.dataset.class); row.classList.add('on'); draw(); });
        row.addEventListener('pointerleave', () => { only = null; row.classList.remove('on'); draw(); });
    });
    draw();
}

document.addEventListener('DOMContentLoaded', () => document.querySelectorAll('[data-viewer]').forEach((root) => {
    viewer(root).catch(() => { root.querySelector('[data-pointer]').textContent = 'The picture cannot be loaded.'; });
}));
