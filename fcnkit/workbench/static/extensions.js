// Tests: the options of a visualization appear when it is chosen.
'use strict';

document.addEventListener('DOMContentLoaded', () => {
    document.querySelectorAll('[data-view-choice]').forEach((choice) => {
        const box = choice.closest('form').querySelector('[data-view-options]');
        choice.addEventListener('change', async () => {
            box.replaceChildren();
            if (!choice.value) { return; }
            const answer = await fetch(choice.dataset.viewChoice.replace('NAME', encodeURIComponent(choice.value)));
            // The server's own HTML: forms of installed extensions. Scripts in it do not run.
            if (answer.ok) { box.innerHTML = await answer.text(); } else { box.textContent = 'It has no options that can be shown.'; }
            // Several forms of a page may show the same options.
            box.querySelectorAll('[id]').forEach((each) => {
                const id = `${choice.id}-${each.id}`;
                box.querySelectorAll(`label[for="${CSS.escape(each.id)}"]`).forEach((label) => { label.htmlFor = id; });
                each.id = id;
            });
        });
    });
});
