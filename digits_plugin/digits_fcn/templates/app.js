// The AngularJS application of the page. Its brackets are {[ ]}, as double braces are Jinja's.
(function () {
    'use strict';
    var DEFAULTS = {view: 'overlay', truth: 'off', fill: 0.5, mask: 0, outline: 2};
    var KEY = 'fcn-segmentation';
    // What file names leave out: all but letters of living scripts, digits, - and the dot.
    var OUTSIDE = /[^A-Za-z0-9.\u00c0-\u1fff\u3040-\ud7ff\uf900-\ufdff-]+/g;
    var app = angular.module('fcn_segmentation', []);

    app.config(['$interpolateProvider', function (interpolate) {
        interpolate.startSymbol('{[').endSymbol(']}');
    }]);

    // What the user set last; storage may be forbidden, empty or of another version.
    function remembered() {
        var state = angular.copy(DEFAULTS), kept = {};
        try { kept = JSON.parse(localStorage.getItem(KEY)) || {}; } catch (e) { kept = {}; }
        angular.forEach(DEFAULTS, function (value, name) {
            if (typeof kept[name] === typeof value) { state[name] = kept[name]; }
        });
        return state;
    }

    app.controller('FcnControls', ['$scope', function (scope) {
        scope.views = [{id: 'overlay', title: 'Overlay'}, {id: 'classes', title: 'Classes'},
                       {id: 'confidence', title: 'Confidence'}, {id: 'image', title: 'Image'}];
        scope.truths = [{id: 'off', title: 'Alone'}, {id: 'beside', title: 'Beside ground truth'},
                        {id: 'difference', title: 'Difference'}];
        scope.state = remembered();
        scope.reset = function () { angular.extend(scope.state, DEFAULTS); };
        scope.$watch('state', function (state) {
            // AngularJS 1.5 and 1.8 differ in whether a range gives text or a number.
            ['fill', 'mask', 'outline'].forEach(function (name) { state[name] = Number(state[name]); });
            try { localStorage.setItem(KEY, JSON.stringify(state)); } catch (e) { /* not remembered */ }
        }, true);
    }]);

    app.controller('FcnSample', ['$scope', '$element', function (scope, element) {
        scope.sample = JSON.parse(element[0].querySelector('.fcn-data').textContent);
    }]);

    app.directive('fcnMap', function () {
        return {link: function (scope, element) { showMap(scope, element[0]); }};
    });

    // One class map: decodes its pictures once, paints them again whenever a control changes.
    function showMap(scope, element) {
        var map = scope.map, decoded = {}, waiting = false;
        scope.hidden = {};
        scope.pointer = null;

        function load(name, uri) {
            if (!uri) { return; }
            fcnPaint.decode(uri, function (pixels) { decoded[name] = pixels; schedule(); });
        }

        function schedule() {
            if (waiting) { return; }
            waiting = true;
            requestAnimationFrame(function () { waiting = false; paintAll(); });
        }

        function paintAll() {
            if (!decoded.layers || (scope.sample.input && !decoded.input) ||
                (map.truth && !decoded.truth)) { return; }
            var state = scope.state, picture = decoded.input, truth = decoded.truth;
            paint('.fcn-main', function (out) {
                if (truth && state.truth === 'difference') {
                    fcnPaint.difference(out, picture, decoded.layers.data, truth.data);
                } else {
                    show(out, decoded.layers.data, map.confidence);
                }
            });
            if (truth) {
                paint('.fcn-truth', function (out) { show(out, truth.data, false); });
            }
            element.setAttribute('data-painted', '1');

            function show(out, layers, sure) {
                if (state.view === 'image') { fcnPaint.plain(out, picture); }
                else if (state.view === 'confidence' && sure) { fcnPaint.confidence(out, layers); }
                else if (state.view === 'classes') { fcnPaint.classes(out, layers, map, scope.hidden); }
                else { fcnPaint.overlay(out, picture, layers, map, state, scope.hidden); }
            }
        }

        function paint(selector, fill) {
            var canvas = element.querySelector(selector);
            if (canvas.width !== map.width || canvas.height !== map.height) {
                canvas.width = map.width;
                canvas.height = map.height;
                // Tiny maps are shown in large, sharp pixels.
                var small = Math.max(map.width, map.height) < 200;
                canvas.classList.toggle('fcn-small', small);
                canvas.style.width = small ? Math.ceil(200 / Math.max(map.width, map.height)) * map.width + 'px' : '';
            }
            var context = canvas.getContext('2d');
            var target = context.createImageData(map.width, map.height);
            fill(target.data);
            context.putImageData(target, 0, 0);
        }

        function nameOf(index) {
            var row = map.legend.filter(function (r) { return r.index === index; })[0];
            return row ? row.name : 'class ' + index;
        }

        function scoreAt(i) {
            if (!decoded.score) { return null; }
            var step = (map.score.high - map.score.low) / 255;
            var value = map.score.low + step * decoded.score.data[i];
            // As many digits as the 256 steps are good for.
            return value.toFixed(Math.max(0, Math.min(6, Math.ceil(-Math.log(step || 1) / Math.LN10))));
        }

        function within(share, size) {
            return Math.min(size - 1, Math.max(0, Math.floor(share * size)));
        }

        function point(event) {
            // The canvas has no border, so its box is its picture.
            var box = event.target.getBoundingClientRect(), layers = decoded.layers;
            if (!layers) { return; }
            var x = within((event.clientX - box.left) / box.width, map.width);
            var y = within((event.clientY - box.top) / box.height, map.height);
            var i = 4 * (y * map.width + x), index = layers.data[i];
            scope.$apply(function () {
                scope.pointer = {
                    x: x, y: y, index: index, name: nameOf(index),
                    color: 'rgb(' + map.palette.slice(3 * index, 3 * index + 3).join(',') + ')',
                    confidence: map.confidence ? layers.data[i + 2] / 255 : null,
                    score: scoreAt(i),
                    truth: decoded.truth ? nameOf(decoded.truth.data[i]) : null
                };
            });
        }

        Array.prototype.forEach.call(element.querySelectorAll('canvas'), function (canvas) {
            canvas.addEventListener('mousemove', point);
            canvas.addEventListener('mouseleave', function () {
                scope.$apply(function () { scope.pointer = null; });
            });
        });

        scope.caption = function () {
            var state = scope.state;
            if (map.truth && state.truth === 'difference') { return 'Wrong pixels in red, ignored ones in white'; }
            if (state.view === 'confidence' && map.confidence) { return 'Confidence, from 0 (violet) to 1 (yellow)'; }
            return {classes: 'Classes', image: 'Image'}[state.view] || 'Prediction';
        };
        scope.percent = function (share) {
            if (share === null) { return '\u2013'; }
            return share > 0 && share < 0.0005 ? '< 0.1 %' : (100 * share).toFixed(1) + ' %';
        };
        scope.toggle = function (row) {
            scope.hidden[row.index] = !scope.hidden[row.index];
            schedule();
        };
        scope.save = function (what) {
            var name = (scope.sample.id + (scope.sample.maps.length > 1 ? '_' + map.name : ''))
                .replace(OUTSIDE, '_').slice(0, 100);
            if (what === 'mask') { fcnPaint.save(fcnPaint.blobOf(map.mask), name + '_mask.png'); }
            if (what === 'json') {
                fcnPaint.save(new Blob([map.json], {type: 'application/json'}), name + '_map.json');
            }
            if (what === 'picture') {
                // Not toBlob: a download that starts after the click has ended may be blocked.
                var uri = element.querySelector('.fcn-main').toDataURL('image/png');
                var shown = map.truth && scope.state.truth === 'difference' ? 'difference' : scope.state.view;
                fcnPaint.save(fcnPaint.blobOf(uri), name + '_' + shown + '.png');
            }
        };
        scope.$watch('state', schedule, true);

        load('layers', map.layers);
        load('input', scope.sample.input);
        load('truth', map.truth && map.truth.layers);
        load('score', map.score && map.score.uri);
    }
}());
