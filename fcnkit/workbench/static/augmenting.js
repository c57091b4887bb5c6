// Augmentation in the form of a new model: what a set says stands in its empty fields, eight samples follow what is
// chosen, and what is wrong stands beside its field.
'use strict';

document.addEventListener('DOMContentLoaded', () => {
    const form = document.getElementById('model-form');
    const box = form.querySelector('[data-augmenting]');
    const sets = JSON.parse(box.dataset.sets);
    const shown = box.querySelector('[data-sampled]');
    const choice = form.elements.augment;
    const fields = [choice, form.elements.crop_size, ...box.querySelectorAll('[data-augmented] input, [data-augmented] select')];
    let seed = 1;
    let asked = 0;
    let timer = null;

    function describe() {
        box.querySelector('[data-augmented]').hidden = !choice.value;
        const set = sets[choice.value] || {};
        for (const field of fields.slice(1)) {
            const says = set[field.name] || '';
            if (field.tagName === 'SELECT') {
                field.options[0].textContent = says ? `As chosen above: ${says}` : 'As chosen above';
            } else {
                field.placeholder = says;
            }
        }
    }

    function mark(errors) {
        for (const field of fields) {
            const words = (errors[field.name] || []).join(' ');
            const around = field.closest('.field');
            around.classList.toggle('wrong', Boolean(words));
            field.toggleAttribute('aria-invalid', Boolean(words));
            if (words) { field.setAttribute('aria-invalid', 'true'); }
            around.querySelectorAll('.hint strong').forEach((each) => each.remove());
            if (words) {
                const strong = document.createElement('strong');
                strong.textContent = words;
                around.querySelector('.hint').prepend(strong, ' ');
            }
        }
    }

    function picture(source, alt) {
        const image = document.createElement('img');
        image.src = source;
        image.alt = alt;
        return image;
    }

    function figure(sample) {
        const made = document.createElement('figure');
        const words = document.createElement('figcaption');
        words.textContent = `${sample.title}: ${sample.words}`;
        if (sample.image) {
            const pair = document.createElement('div');
            pair.className = 'pair';
            pair.append(picture(sample.image, `${sample.title}, augmented`), picture(sample.mask, 'its label'));
            made.append(pair);
        }
        made.append(words);
        return made;
    }

    async function show() {
        const number = ++asked;
        const query = new URLSearchParams({dataset: form.elements.dataset.value, seed});
        if (!query.get('dataset') || !box.open) { return; }
        fields.filter((field) => field.value).forEach((field) => query.set(field.name, field.value));
        const answer = await fetch(form.getAttribute('data-samples-at') + '?' + query, {headers: {Accept: 'application/json'}});
        const data = await answer.json().catch(() => ({}));
        if (number !== asked) { return; }
        mark(data.errors || {});
        box.querySelector('[data-augment-text]').textContent = data.text || '';
        if (answer.ok) {
            shown.replaceChildren(...data.samples.map(figure));
        } else {
            shown.textContent = data.error || (data.errors ? '' : 'There are no samples to show.');
        }
    }

    function soon() {
        describe();
        clearTimeout(timer);
        timer = setTimeout(show, 400);
    }

    for (const field of [...fields, form.elements.dataset]) {
        field.addEventListener('input', soon);
    }
    box.addEventListener('toggle', soon);
    box.querySelector('[data-samples]').addEventListener('click', () => { seed += 1; show(); });
    soon();
});
