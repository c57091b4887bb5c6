// The curves of a model's page, drawn by uPlot and continued while the model trains.
'use strict';

document.addEventListener('DOMContentLoaded', () => {
    const holder = document.querySelector('[data-curves]');
    const isDark = matchMedia('(prefers-color-scheme: dark)').matches;
    const colours = isDark
        ? ['#8ab8ff', '#ffcf7a', '#7fdca4', '#ff9da4', '#d0a5ff', '#6fe0e0', '#f2f2a0', '#ffb27a']
        : ['#1f4e9c', '#b35900', '#12683a', '#a31726', '#6a2fa0', '#00707a', '#6b6b00', '#8a3c1e'];
    const ink = isDark ? '#e7ebf0' : '#1b2129', grid = isDark ? '#364150' : '#d5dae1';
    const CLASS = 'test_class_iou_';
    const MOST_CLASSES = 24;
    const isClass = (name) => name.startsWith(CLASS);
    const kinds = {
        rate: (name) => name === 'lr',
        loss: (name) => name.includes('loss') && name !== 'train_loss',
        share: (name) => name !== 'lr' && !name.includes('loss') && !isClass(name),
        class: isClass
    };
    const titles = JSON.parse(holder.dataset.names);
    const titleOf = (name) => isClass(name)
        ? titles[Number(name.slice(CLASS.length))] || `class ${name.slice(CLASS.length)}`
        : name === 'lr' ? 'learning rate' : name.replaceAll('_', ' ').replace(/\biou\b/, 'IoU');
    // More colours than can be named differ at least from their neighbours.
    const colourOf = (number, count) => count <= colours.length
        ? colours[number] : `hsl(${Math.round(360 * number / count)} 70% ${(isDark ? 66 : 34) + 8 * (number % 2)}%)`;
    const newest = (name) => known.curves[name].reduce((last, value) => value ?? last, 0);
    // Of many classes, those with the lowest IoU.
    const worst = (names) => names.length <= MOST_CLASSES ? names
        : [...names].sort((a, b) => newest(a) - newest(b)).slice(0, MOST_CLASSES);
    const known = {iterations: [], curves: {}};
    const plots = {};

    // Appends what came new; lines logged before a resume are replaced.
    function append(data) {
        const first = data.iterations[0];
        if (first === undefined) { return; }
        let keep = known.iterations.length;
        while (keep && known.iterations[keep - 1] >= first) { keep -= 1; }
        known.iterations.length = keep;
        for (const values of Object.values(known.curves)) { values.length = keep; }
        for (const name of Object.keys(data.curves)) {
            if (!known.curves[name]) { known.curves[name] = new Array(keep).fill(null); }
        }
        known.iterations.push(...data.iterations);
        for (const [name, values] of Object.entries(known.curves)) {
            values.push(...(data.curves[name] || new Array(data.iterations.length).fill(null)));
        }
    }

    function draw() {
        for (const [kind, belongs] of Object.entries(kinds)) {
            let names = Object.keys(known.curves).filter(belongs);
            if (kind === 'class') { names = plots.class && names.length > MOST_CLASSES ? plots.class.names : worst(names); }
            const place = holder.querySelector(`[data-plot=${kind}]`);
            place.closest('figure').hidden = !names.length;
            if (!names.length) { continue; }
            const data = [known.iterations, ...names.map((name) => known.curves[name])];
            const key = names.join();
            if (plots[kind] && plots[kind].key === key) { plots[kind].plot.setData(data); continue; }
            if (plots[kind]) { plots[kind].plot.destroy(); }
            const short = (value) => value === null || value === undefined ? '–' : String(Number(value.toPrecision(4)));
            const axis = {stroke: ink, grid: {stroke: grid, width: 1}, ticks: {stroke: grid, width: 1}};
            const plot = new uPlot({
                width: Math.max(280, place.clientWidth), height: 240,
                scales: {x: {time: false}, y: ['share', 'class'].includes(kind) ? {range: (u, low, high) => [Math.min(0, low), Math.max(1, high)]} : {}},
                // Small rates are not rounded to 0.
                axes: [axis, {...axis, size: 72, values: (u, ticks) => ticks.map(short)}],
                series: [{label: 'step'}, ...names.map((name, i) => ({
                    label: titleOf(name), value: (u, value) => short(value), stroke: colourOf(i, names.length), width: 2, spanGaps: true,
                    dash: name.startsWith('train') ? [6, 4] : undefined, points: {show: name.startsWith('test')}
                }))]
            }, data, place);
            plots[kind] = {plot, key, names};
        }
    }

    window.addEventListener('resize', () => {
        for (const {plot} of Object.values(plots)) {
            plot.setSize({width: Math.max(280, plot.root.parentElement.clientWidth), height: 240});
        }
    });

    holder.querySelectorAll('figure').forEach((e) => { e.hidden = true; });
    let snapshots = null;
    bench.live((data, after) => {
        append(data);
        holder.querySelector('[data-none]').hidden = known.iterations.length > 0;
        draw();
        holder.dataset.points = known.iterations.length;
        // The first snapshot brings the button that tests the model.
        if (snapshots === 0 && data.snapshots > 0) { location.reload(); }
        snapshots = data.snapshots;
        return known.iterations.length ? known.iterations[known.iterations.length - 1] - 1 : after;
    });
});
