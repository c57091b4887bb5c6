// The model's page: options of the chosen visualization, inference form of the chosen dataset.
$(function () {
    'use strict';

    var TIPS = '.explanation-tooltip, .glyphicon-question-sign[title]';

    function fetchInto(address, target, done) {
        $.get(address).done(function (html) {
            // The server's own HTML: forms of installed extensions.
            target.html(html);
            target.find(TIPS).tooltip();
            done(html);
        }).fail(function (answer) {
            var words = $('<div>').html(answer.responseText).find('.host-error').text();
            target.empty().append($('<div class="alert alert-danger">').text(words || 'No answer.'));
            done('failed');
        });
    }

    var details = $('#view_extension-details');
    $('#view_extension_id').on('change', function () {
        fetchInto('/models/view-config/' + encodeURIComponent(this.value), details, $.noop);
    });
    // After a refusal the options are already there, as they were filled in.
    if (!details.children().length) { $('#view_extension_id').trigger('change'); }

    $('#dataset').on('change', function () {
        var number = encodeURIComponent(this.value);
        $('#dataset-link').attr('href', '/datasets/' + number);
        fetchInto('/datasets/inference-form/' + number, $('#custom-inference-form-html'), function (html) {
            $('#custom-inference').toggleClass('hidden', !html.trim());
        });
    }).trigger('change');

    // A choice in one field clears the other.
    $('#image_path').on('change', function () { $('#image_file').val(''); });
    $('#image_list').on('change', function () { $('#image_files').val(''); });

    $(TIPS).tooltip();
});
