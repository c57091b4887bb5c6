// What all pages share: live state of jobs, files on the server, pickers, opacity of masks.
'use strict';

const bench = {
    token: () => document.querySelector('meta[name=csrf-token]').content,

    json: async (address, options) => {
        const answer = await fetch(address, options);
        const data = await answer.json();
        if (!answer.ok) { throw new Error(data.error || answer.statusText); }
        return data;
    },

    post: (address, fields) => {
        const body = new FormData();
        for (const [name, value] of Object.entries(fields)) { body.append(name, value); }
        return fetch(address, {method: 'POST', body, headers: {'X-CSRFToken': bench.token(), Accept: 'application/json'}});
    },

    duration: (seconds) => {
        if (seconds < 60) { return Math.round(seconds) + ' s'; }
        if (seconds < 3600) { return Math.round(seconds / 60) + ' min'; }
        return (seconds / 3600).toFixed(1) + ' h';
    },

    // Calls `work` every `seconds` while the page is visible, until it returns false.
    repeat: (seconds, work) => {
        const again = async () => {
            let go = true;
            if (!document.hidden) {
                try { go = await work(); } catch (error) { console.warn(String(error)); }
            }
            if (go !== false) { setTimeout(again, 1000 * seconds); }
        };
        again();
    }
};

// The box of a job's page: state, step, progress, log. When the state changes, the page is loaded again.
bench.live = (onData) => {
    const box = document.querySelector('[data-live]');
    if (!box) { return; }
    const part = (name) => document.querySelectorAll(`[data-part=${name}]`);
    let after = -1;
    bench.repeat(1.5, async () => {
        const data = await bench.json(`${box.dataset.live}?after=${after}`);
        const isActive = ['running', 'waiting'].includes(data.state);
        // Only what is new is written: readers speak what is.
        const write = (e, words) => { if (e.textContent !== words) { e.textContent = words; } };
        part('state').forEach((e) => { write(e, data.name); e.className = 'state ' + data.state; });
        part('step').forEach((e) => {
            write(e, isActive ? data.step + (data.steps > 1 ? ` (${data.number} of ${data.steps})` : '') : '');
        });
        const bar = part('bar')[0];
        bar.hidden = !isActive;
        const progress = data.progress;
        if (progress && progress.share !== null) { bar.value = progress.share; } else { bar.removeAttribute('value'); }
        part('left').forEach((e) => {
            const left = progress && progress.left !== null ? `about ${bench.duration(progress.left)} left` : '';
            const done = progress ? `${progress.what ? progress.what + ': ' : ''}${progress.done}${progress.total ? ' of ' + progress.total : ''}` : '';
            e.textContent = isActive ? [done, left].filter(Boolean).join(', ') : '';
        });
        part('log').forEach((e) => {
            const isAtEnd = e.scrollTop + e.clientHeight >= e.scrollHeight - 20;
            if (e.textContent !== data.log) { e.textContent = data.log; if (isAtEnd) { e.scrollTop = e.scrollHeight; } }
        });
        if (onData) { after = onData(data, after); }
        if (data.state !== box.dataset.state && !(isActive && ['running', 'waiting'].includes(box.dataset.state))) {
            location.reload();
            return false;
        }
        box.dataset.state = data.state;
        return isActive;
    });
};

// Home: rows of jobs that are active.
function liveRows() {
    const active = () => Array.from(document.querySelectorAll('[data-row][data-active]'));
    if (!active().length) { return; }
    bench.repeat(2.5, async () => {
        const ids = active().map((row) => row.dataset.row);
        const data = await bench.json('/rows.json?ids=' + ids.join(','));
        for (const found of data.rows) {
            const row = document.querySelector(`[data-row="${found.id}"]`);
            // The server's own HTML, in which names are text.
            row.querySelector('[data-part=state]').innerHTML = found.html;
            if (!found.active) { row.removeAttribute('data-active'); }
        }
        return active().length > 0;
    });
}

function compareModels() {
    const button = document.querySelector('[data-compare]');
    if (!button) { return; }
    const boxes = Array.from(document.querySelectorAll('input[form=compare]'));
    const count = () => { button.disabled = boxes.filter((box) => box.checked).length < 2; };
    boxes.forEach((box) => box.addEventListener('change', count));
    count();
}

// Fields that name files on the server get a button that lists folders.
function places() {
    const holder = document.querySelector('[data-places]');
    const dialog = document.querySelector('dialog.places');
    if (!holder || !dialog) { return; }
    const address = holder.getAttribute('data-places');  // a form's `dataset` may be a field of that name
    dialog.querySelector('[data-close]').addEventListener('click', () => dialog.close());
    let field = null;
    const show = async (under) => {
        const list = dialog.querySelector('[data-entries]');
        list.replaceChildren();
        let data;
        try {
            data = await bench.json(address + '?under=' + encodeURIComponent(under));
        } catch (error) {
            // What stands in the field may be wrong; then the beginning is shown.
            if (under) { await show(''); } else { dialog.querySelector('[data-folder]').textContent = error.message; }
            return;
        }
        dialog.querySelector('[data-folder]').textContent = data.folder;
        const line = (text, action) => {
            const item = document.createElement('li');
            const button = document.createElement('button');
            button.type = 'button';
            button.textContent = text;
            button.addEventListener('click', action);
            item.append(button);
            list.append(item);
        };
        const take = (path) => { field.value = path; field.dispatchEvent(new Event('change', {bubbles: true})); dialog.close(); field.focus(); };
        line('Use this folder', () => take(data.folder));
        for (const entry of data.entries) {
            if (entry.is_folder) { line(entry.name + '/', () => show(entry.path)); }
            else if (field.dataset.place !== 'folder') { line(entry.name, () => take(entry.path)); }
        }
        if (data.left_out) {
            const item = document.createElement('li');
            item.textContent = `and ${data.left_out} more: type the name`;
            list.append(item);
        }
        list.querySelector('button').focus();
    };
    document.querySelectorAll('[data-place]').forEach((input) => {
        const row = document.createElement('div');
        row.className = 'with-place';
        input.replaceWith(row);
        const button = document.createElement('button');
        button.type = 'button';
        button.className = 'quiet';
        button.textContent = 'Browse';
        button.setAttribute('aria-label', 'Browse files on the server');
        row.append(input, button);
        button.addEventListener('click', () => {
            field = input;
            dialog.showModal();
            show(input.value || '');
        });
    });
}

// Explore: choosing shows at once, the slider sets the opacity of all masks.
function tools() {
    document.querySelectorAll('form[data-autosubmit] select').forEach((select) => {
        select.addEventListener('change', () => select.form.submit());
    });
    const slider = document.querySelector('[data-opacity]');
    if (slider) {
        const set = () => document.querySelectorAll('[data-mask]').forEach((e) => { e.style.opacity = slider.value; });
        slider.addEventListener('input', set);
        set();
    }
}

// Files can be dropped anywhere on a form that takes images.
function dropping() {
    document.querySelectorAll('[data-drop]').forEach((input) => {
        input.form.addEventListener('dragover', (event) => event.preventDefault());
        input.form.addEventListener('drop', (event) => {
            event.preventDefault();
            const taken = new DataTransfer();
            Array.from(event.dataTransfer.files).slice(0, input.multiple ? undefined : 1).forEach((file) => taken.items.add(file));
            if (taken.files.length) { input.files = taken.files; }
        });
    });
}

// A field that the browser refuses is shown, also below a closed heading: otherwise its button would do nothing.
function refusals() {
    document.addEventListener('invalid', (event) => {
        for (let box = event.target.closest('details'); box; box = box.parentElement.closest('details')) { box.open = true; }
    }, true);
}

// Menus of rows close by Escape, and when another one is opened.
function menus() {
    const all = Array.from(document.querySelectorAll('details.menu'));
    all.forEach((menu) => menu.addEventListener('toggle', () => {
        if (menu.open) { all.forEach((other) => { other.open = other === menu; }); }
    }));
    document.addEventListener('keydown', (event) => {
        const open = event.key === 'Escape' && all.find((menu) => menu.open);
        if (open) { open.open = false; open.querySelector('summary').focus(); }
    });
}

// What cannot be undone is asked about.
function confirmations() {
    document.querySelectorAll('form[data-confirm]').forEach((form) => form.addEventListener('submit', (event) => {
        if (!window.confirm(form.dataset.confirm)) { event.preventDefault(); }
    }));
}

function agreements() {
    document.querySelectorAll('[data-agreement]').forEach(async (section) => {
        const data = await bench.json(section.dataset.agreement);
        const scores = data.mean_iou.map((v) => v === null ? '–' : (100 * v).toFixed(1) + '%').join(' and ');
        section.querySelector('[data-part=agreement]').textContent =
            `${(100 * data.equal).toFixed(2)}% of the pixels agree; mean IoU ${scores}`;
    });
}

document.addEventListener('DOMContentLoaded', () => {
    if (!document.querySelector('[data-curves]')) { bench.live(); }
    liveRows();
    compareModels();
    places();
    tools();
    dropping();
    agreements();
    refusals();
    confirmations();
    menus();
});
