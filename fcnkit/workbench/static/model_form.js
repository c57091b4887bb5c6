// The form of a new model: only the fields of the chosen network and policy, the prototxt checked while it is
// typed, the schedule drawn. augmenting.js shows samples.
'use strict';

document.addEventListener('DOMContentLoaded', () => {
    const form = document.getElementById('model-form');
    const field = (name) => form.elements[name];
    const number = (name) => Number(field(name).value);

    function choose() {
        for (const [attribute, name] of [['method', 'method'], ['policy', 'lr_policy']]) {
            form.querySelectorAll(`[data-${attribute}]`).forEach((part) => {
                part.hidden = !part.dataset[attribute].split(' ').includes(field(name).value);
                // What is not shown is not sent: nobody could mend it.
                part.querySelectorAll('input, select, textarea').forEach((each) => { each.disabled = part.hidden; });
            });
        }
        // Another classifier than those of the list is to be named.
        if (field('method').value === 'surgery' && !field('classifier').value) {
            form.querySelector('[data-classifier-net]').open = true;
        }
        card();
        schedule();
    }

    async function card() {
        const box = form.querySelector('[data-card-box]');
        const name = {surgery: 'classifier', standard: 'standard_networks'}[field('method').value];
        const network = name && field(name).value;
        const drawn = form.querySelector('[data-picture-box]');
        box.hidden = drawn.hidden = !network;
        if (network) {
            const picture = drawn.querySelector('img');
            picture.alt = `The layers of ${network}`;
            picture.src = form.getAttribute('data-cards').replace('NAME', encodeURIComponent(network)) + '.svg';
            const answer = await fetch(form.getAttribute('data-cards').replace('NAME', encodeURIComponent(network)));
            box.querySelector('[data-card]').textContent = answer.ok ? await answer.text() : '';
        }
    }

    // The share of the base rate at each per cent of the run.
    function rate(t) {
        const times = field('lr_multistep_values').value.split(/[,;]/).map(Number);
        switch (field('lr_policy').value) {
        case 'step': return number('lr_step_gamma') ** Math.floor(t / number('lr_step_size'));
        case 'multistep': return number('lr_multistep_gamma') ** times.filter((v) => t >= v).length;
        case 'exp': return number('lr_exp_gamma') ** t;
        case 'inv': return (1 + number('lr_inv_gamma') * t) ** -number('lr_inv_power');
        case 'poly': return (1 - t / 100) ** number('lr_poly_power');
        case 'sigmoid': return 1 / (1 + Math.exp(number('lr_sigmoid_gamma') * (t - number('lr_sigmoid_step'))));
        case 'linear': return 1 - t / 100;
        case 'cosine': return (1 + Math.cos(Math.PI * t / 100)) / 2;
        default: return 1;
        }
    }
    // With its warm-up, and no smaller than the smallest.
    function bounded(t) {
        const warm = 100 * number('lr_warm_up') / number('train_epochs');
        if (t < warm) { return t / warm; }
        const least = number('lr_min') / parseFloat(field('learning_rate').value.replace('[', ''));
        return Math.max(rate(t), Number.isFinite(least) ? least : 0);
    }

    function schedule() {
        const points = [];
        for (let t = 0; t <= 100; t++) {
            const y = Math.min(1, Math.max(0, bounded(t)));
            points.push(`${(2.4 * t).toFixed(1)},${(66 - 62 * (Number.isFinite(y) ? y : 0)).toFixed(1)}`);
        }
        form.querySelector('[data-schedule] polyline').setAttribute('points', points.join(' '));
    }

    let timer = null;
    function checkSoon() {
        clearTimeout(timer);
        timer = setTimeout(check, 400);
    }
    async function check() {
        const box = form.querySelector('[data-checked]');
        const text = field('custom_network').value;
        box.replaceChildren();
        if (!text.trim()) { return; }
        const answer = await bench.post(form.getAttribute('data-check'), {network: text, dataset: field('dataset').value});
        if (!answer.ok) { return; }
        const data = await answer.json();
        const list = document.createElement('ul');
        const line = (words, kind) => {
            const item = document.createElement('li');
            item.className = kind;
            item.textContent = words;
            list.append(item);
        };
        for (const each of data.troubles) {
            line((each.line ? `line ${each.line}, column ${each.column}: ` : '') + each.text, 'flag');
        }
        data.warnings.forEach((words) => line(words, ''));
        if (!data.troubles.length) { line(`${data.layers.length} layers, ${data.classes || 'unknown'} classes: can be trained`, ''); }
        box.append(list);
    }

    form.querySelector('[data-draw]').addEventListener('click', async () => {
        const box = form.querySelector('[data-drawn]');
        const answer = await bench.post(form.getAttribute('data-picture'), {custom_network: field('custom_network').value});
        box.replaceChildren();
        box.hidden = false;
        if (!answer.ok) {
            const data = await answer.json().catch(() => ({}));
            box.textContent = data.error || 'It cannot be drawn.';
        } else {
            const image = document.createElement('img');
            image.alt = 'The layers of the network';
            image.src = URL.createObjectURL(await answer.blob());
            box.append(image);
        }
    });
    // The published recipe of a network of the zoo, in the form's own fields.
    form.querySelector('[data-recipe]').addEventListener('click', async () => {
        const name = encodeURIComponent(field('standard_networks').value);
        const values = await bench.json(form.getAttribute('data-recipes').replace('NAME', name));
        for (const [key, value] of Object.entries(values)) { field(key).value = value; }
        form.querySelector('[data-recipe-said]').textContent =
            `rate ${values.learning_rate}, ${values.lr_policy}, momentum ${values.momentum}, ${values.batch_accumulation} batches per step`;
        choose();
    });

    field('custom_network').addEventListener('input', checkSoon);
    field('dataset').addEventListener('change', checkSoon);
    form.addEventListener('change', choose);
    form.addEventListener('input', schedule);
    choose();
});
