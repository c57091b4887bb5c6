// The model's page: options of the chosen visualization, inference form of the chosen dataset.
$(function () {
    'use strict';

    function fetchInto(address, target, done) {
        $.get(address).done(function (html) {
            // The server's own HTML: forms of installed extensions.
            target.html(html);
            $('.explanation-tooltip').tooltip();
            done(html);
        }).fail(function (answer) {
            var words = $('<div>').html(answer.responseText).find('.host-error').text();
            target.empty().append($('<div class="alert alert-danger">').text(words || 'No answer.'));
            done('failed');
        });
    }

    $('#view_extension_id').on('change', function () {
        fetchInto('/models/view-config/' + encodeURIComponent(this.value),
                  $('#view_extension-details'), $.noop);
    }).trigger('change');

    $('#dataset').on('change', function () {
        var number = encodeURIComponent(this.value);
        $('#dataset-link').attr('href', '/datasets/' + number);
        fetchInto('/datasets/inference-form/' + number, $('#custom-inference-form-html'), function (html) {
            $('#custom-inference').toggleClass('hidden', !html.trim());
        });
    }).trigger('change');

    // Chosen in one place, the other is emptied.
    $('#image_path').on('change', function () { $('#image_file').val(''); });
    $('#image_list').on('change', function () { $('#image_files').val(''); });

    $('.explanation-tooltip').tooltip();
});
