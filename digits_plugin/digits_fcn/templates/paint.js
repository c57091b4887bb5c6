// Painting of class maps, by the same rule as paint.py: class, border distance and confidence come
// as the red, green and blue of one picture. Plain functions without AngularJS.
var fcnPaint = (function () {
    'use strict';
    var IGNORE = 255;

    // Pixels (RGBA bytes) of the picture at a data URI; calls back with {width, height, data}.
    function decode(uri, done) {
        var image = new Image();
        image.onload = function () {
            var canvas = document.createElement('canvas');
            canvas.width = image.naturalWidth;
            canvas.height = image.naturalHeight;
            var context = canvas.getContext('2d', {willReadFrequently: true});
            context.drawImage(image, 0, 0);
            done(context.getImageData(0, 0, canvas.width, canvas.height));
        };
        image.src = uri;
    }

    // A table of 256 x 8: colour, fill opacity, outline opacity of each class.
    function styles(map, state, hidden) {
        var table = [];
        for (var c = 0; c < 256; c++) {
            var bare = c === map.background;
            var gone = !!hidden[c];
            table.push({
                r: bare ? 0 : map.palette[3 * c],
                g: bare ? 0 : map.palette[3 * c + 1],
                b: bare ? 0 : map.palette[3 * c + 2],
                fill: gone ? 0 : bare ? state.mask : state.fill,
                line: gone || bare || c === IGNORE ? 0 : 1
            });
        }
        return table;
    }

    // The picture (or white) with the class map painted over it.
    function overlay(out, picture, layers, map, state, hidden) {
        var table = styles(map, state, hidden), from = picture && picture.data;
        for (var i = 0; i < layers.length; i += 4) {
            var style = table[layers[i]], edge = layers[i + 1];
            var a = edge > 0 && edge <= state.outline && style.line ? 1 : style.fill;
            out[i] = style.r * a + (from ? from[i] : 255) * (1 - a) + 0.5;
            out[i + 1] = style.g * a + (from ? from[i + 1] : 255) * (1 - a) + 0.5;
            out[i + 2] = style.b * a + (from ? from[i + 2] : 255) * (1 - a) + 0.5;
            out[i + 3] = 255;
        }
    }

    // The classes in their palette's colours, nothing else.
    function classes(out, layers, map, hidden) {
        for (var i = 0; i < layers.length; i += 4) {
            var c = layers[i], gone = hidden[c];
            out[i] = gone ? 255 : map.palette[3 * c];
            out[i + 1] = gone ? 255 : map.palette[3 * c + 1];
            out[i + 2] = gone ? 255 : map.palette[3 * c + 2];
            out[i + 3] = 255;
        }
    }

    // Confidence from dark blue (uncertain) over green to yellow (certain).
    var STOPS = [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]];
    function confidence(out, layers) {
        for (var i = 0; i < layers.length; i += 4) {
            var at = layers[i + 2] / 255 * 4, k = Math.min(3, Math.floor(at)), t = at - k;
            for (var j = 0; j < 3; j++) {
                out[i + j] = STOPS[k][j] * (1 - t) + STOPS[k + 1][j] * t + 0.5;
            }
            out[i + 3] = 255;
        }
    }

    // Right pixels in grey, wrong ones in red, those that the ground truth ignores in white.
    function difference(out, picture, layers, truth) {
        var from = picture && picture.data;
        for (var i = 0; i < layers.length; i += 4) {
            var grey = from ? 0.3 * from[i] + 0.59 * from[i + 1] + 0.11 * from[i + 2] : 160;
            var skip = truth[i] === IGNORE, wrong = !skip && truth[i] !== layers[i];
            out[i] = wrong ? 150 + 0.4 * grey : skip ? 255 : 0.7 * grey + 60;
            out[i + 1] = wrong ? 0.15 * grey : skip ? 255 : 0.7 * grey + 60;
            out[i + 2] = wrong ? 0.15 * grey : skip ? 255 : 0.7 * grey + 60;
            out[i + 3] = 255;
        }
    }

    function plain(out, picture) {
        for (var i = 0; i < out.length; i++) { out[i] = picture ? picture.data[i] : 255; }
    }

    // Hands `blob` to the browser's downloads under `name`.
    function save(blob, name) {
        var link = document.createElement('a');
        link.href = URL.createObjectURL(blob);
        link.download = name;
        document.body.appendChild(link);
        link.click();
        document.body.removeChild(link);
        setTimeout(function () { URL.revokeObjectURL(link.href); }, 10000);
    }

    // The bytes of a base64 data URI as a Blob.
    function blobOf(uri) {
        var parts = uri.split(','), text = atob(parts[1]), bytes = new Uint8Array(text.length);
        for (var i = 0; i < text.length; i++) { bytes[i] = text.charCodeAt(i); }
        return new Blob([bytes], {type: parts[0].slice(5).split(';')[0]});
    }

    return {decode: decode, overlay: overlay, classes: classes, confidence: confidence,
            difference: difference, plain: plain, save: save, blobOf: blobOf};
}());
