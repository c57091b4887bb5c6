"""What the pages do not trust: hosts, other sites, paths, uploads, names, networks, methods."""

import io
import os

import pytest
from tiny_segmentation import net_text
from workbench_site import Site

from caffeformat import InputError
from fcnkit.workbench.bench import Settings
from fcnkit.workbench.networks import look_at, pasted_net, segmentation_networks
from fcnkit.workbench.places import Places
from fcnkit.workbench.security import check_settings

LOCAL = {"base_url": "http://127.0.0.1:5000"}
HOSTILE = [
    "<script>window.pwned=1</script>",
    "\"><img src=x onerror='window.pwned=1'>",
    "{{ 7*7 }}{% raw %}",
    "../../etc/passwd",
    "\x1b[31m\u202eabc\x00",
    "'; DROP TABLE jobs; --",
    "=cmd|'/c calc'!A1",
    "a" * 3000,
]


@pytest.fixture
def locked(tmp_path):
    found = Site(tmp_path, password="secret", token="tok", host="0.0.0.0")
    yield found
    found.bench.close()


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "169.254.169.254", ""])
def test_other_names_for_this_machine_are_refused(site, host):
    answer = site.client.get("/", headers={"Host": host})
    assert answer.status_code == 400 and "<html" not in answer.text


def test_local_names_are_not(site):
    for host in ("localhost:5000", "127.0.0.1", "[::1]:5000"):
        assert site.client.get("/", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("sign", ["Origin", "Referer", "Cookie", "Sec-Fetch-Site"])
def test_pages_of_other_sites_change_nothing(site, sign):
    for address in ("/trash/empty", "/datasets/generic/create/images.json", "/datasets/new"):
        answer = site.post(address, headers={sign: "http://evil.example"})
        assert answer.status_code == 400 and "errors" not in (answer.get_json(silent=True) or {})


def test_a_page_with_its_token_does(site):
    client = site.app.test_client()
    page = client.get("/trash", **LOCAL).text
    token = page.split('name="csrf-token" content="')[1].split('"')[0]
    headers = {"Origin": "http://127.0.0.1:5000"}
    for sent, status in ((token, 302), ("x" + token, 400)):
        answer = client.post("/trash/empty", data={"csrf_token": sent}, headers=headers, **LOCAL)
        assert answer.status_code == status


def test_every_answer_has_the_policies(site):
    for address in ("/", "/nothing", "/index.json", "/static/bench.js"):
        headers = site.get(address).headers
        policy = headers["Content-Security-Policy"]
        assert "unsafe" not in policy and "default-src 'none'" in policy
        assert headers["X-Content-Type-Options"] == "nosniff"


def test_no_page_has_scripts_or_styles_in_its_text(site):
    for address in ("/", "/datasets/new", "/models/new", "/trash"):
        text = site.get(address).text
        assert "style=" not in text and " onclick" not in text
        assert all(part.startswith(" src=") for part in text.split("<script")[1:])


def test_the_network_needs_a_password_or_a_token():
    with pytest.raises(InputError, match="password"):
        check_settings(Settings("jobs", host="0.0.0.0"))
    check_settings(Settings("jobs", host="0.0.0.0", token="x"))
    check_settings(Settings("jobs"))


def test_nobody_comes_in_without(locked):
    for address in ("/", "/index.json", "/places.json", "/jobs/x/status", "/datasets/new"):
        answer = locked.get(address)
        assert answer.status_code in (302, 401) and "csrf" not in answer.text
    assert locked.post("/models/images/generic.json").status_code == 401
    assert locked.get("/static/bench.css").status_code == 200
    bearer = {"Authorization": "Bearer tok"}
    assert locked.get("/index.json", headers=bearer).status_code == 200
    assert locked.post("/trash/empty", headers=bearer).status_code == 302
    assert locked.get("/index.json", headers={"Authorization": "Bearer to"}).status_code == 401
    assert locked.get("/index.json", auth=("x", "secret")).status_code == 200


def test_the_password_opens_the_pages_and_guessing_ends(locked):
    client = locked.app.test_client()

    def log_in(password, to="/trash"):
        page = client.get(f"/login?to={to}", **LOCAL).text
        token = page.split('name="csrf-token" content="')[1].split('"')[0]
        sent = {"csrf_token": token, "password": password, "to": to}
        return client.post("/login", data=sent, **LOCAL)

    assert log_in("wrong").status_code == 403
    assert log_in("secret").location == "/trash"
    assert client.get("/", **LOCAL).status_code == 200
    locked.app.extensions["fcnkit_guard"].mark = "of another password"
    assert client.get("/", **LOCAL).status_code == 302
    client = locked.app.test_client()
    assert log_in("secret", "//evil.example").location == "/"
    client = locked.app.test_client()
    assert [log_in(str(number)).status_code for number in range(10)][-1] == 429
    assert log_in("secret").status_code == 429


def test_only_files_under_the_roots_can_be_named(tmp_path):
    root, outside = tmp_path / "root", tmp_path / "root_else"
    for folder in (root, outside):
        folder.mkdir()
    (root / "in.txt").write_text("x")
    (outside / "out.txt").write_text("x")
    (root / "link").symlink_to(outside)
    (root / "same").symlink_to(root / "in.txt")
    (root / ".key").write_text("x")
    places = Places([str(root)])
    assert places.find("in.txt") == places.find(str(root / "in.txt")) == str(root / "in.txt")
    for name in (
        "../root_else/out.txt", str(outside / "out.txt"), "link/out.txt", "link", "/etc/passwd",
        "missing", "", "\0", "in.txt\0.png", "..", "~", ".key", "a" * 5000, "%2e%2e/x",
    ):  # fmt: skip
        with pytest.raises(InputError):
            places.find(name)
    # A link that leads outside is not even shown, with the size of what it leads to.
    assert [entry.name for entry in places.listing()[1]] == ["in.txt", "same"]
    with pytest.raises(InputError, match="upload them"):
        Places().find("x")


@pytest.mark.quick_cases(4)
@pytest.mark.parametrize("name", HOSTILE)
def test_names_are_text(site, name):
    answer = site.post(
        "/datasets/generic/create/images.json", {"dataset_name": name, "source": "."}
    )
    id_ = answer.get_json()["id"]
    site.client.put(f"/jobs/{id_}", data={"job_notes": name}, **LOCAL)
    for address in ("/", f"/datasets/{id_}", f"/datasets/new?clone={id_}", "/models/new"):
        page = site.get(address)
        assert page.status_code == 200
        for sign in ("<script>window", "<img src=x", "\x1b", "\x00", ">49<"):
            assert sign not in page.text


@pytest.mark.parametrize("name", [*HOSTILE, "/etc/cron.d/x", "..\\..\\x.tar", ".", "-rf", ""])
def test_uploads_stay_in_the_jobs_folder(site, name):
    sent = {"source_file": (io.BytesIO(b"x"), name)}
    site.post("/datasets/generic/create/images.json", sent)
    for place, _, files in os.walk(site.jobs.folder):
        for file in files:
            path = os.path.relpath(os.path.join(place, file), site.jobs.folder)
            kept = path.split(os.sep)
            assert len(kept) < 3 or (len(kept) == 3 and kept[1] == "uploads"), path
    assert not os.path.exists("x.tar")


def test_methods_and_sizes(site):
    for method in ("PUT", "DELETE", "PATCH", "TRACE"):
        assert site.client.open("/", method=method, **LOCAL).status_code in (405, 400)
    assert site.get("/trash/empty").status_code == 405
    big = {"job_notes": "x" * (9 << 20)}
    assert site.post("/trash/empty", big).status_code in (302, 413)
    answer = site.client.post("/trash/empty", headers={"Content-Length": str(1 << 40)}, **LOCAL)
    assert answer.status_code in (302, 400, 413)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("Data", "Python"), "runs code"),
        (("Data", "HDF5Data"), "reads files"),
        (("backend: LMDB", 'source: "/etc" backend: LMDB'), "source names a file"),
        (("power_param {", 'transform_param { mean_file: "/x" } power_param {'), "mean_file"),
    ],
)
def test_networks_that_name_files_or_code(change, words):
    assert change[0] in net_text()
    with pytest.raises(InputError, match=words):
        pasted_net(net_text().replace(*change, 1))


def test_a_network_with_an_error_says_where(site):
    text = net_text().replace('type: "Data"', "type: ", 1)
    trouble = look_at(text).troubles[0]
    assert trouble.line == 2 and trouble.column
    sent = {"network": net_text(), "dataset": "x"}
    found = site.post("/models/check-network", sent).get_json()
    assert found["classes"] == 3 and not found["troubles"] and found["layers"]
    assert (
        look_at("").troubles and look_at("layer {").troubles and look_at("x" * (3 << 20)).troubles
    )
    assert site.post("/models/visualize-network", {"custom_network": "{"}).status_code == 400


def test_broken_jobs_have_a_page(site):
    id_ = site.jobs.new_id()
    site.jobs.add(id_, "model", "x", "cpu", [])
    with open(site.jobs.path(id_, "job.json"), "w") as file:
        file.write("{")
    for address in ("/", f"/models/{id_}", f"/jobs/{id_}/live.json", "/index.json"):
        assert site.get(address).status_code == 200


def test_archives_may_be_larger_than_other_requests(site):
    site.app.config["MAX_CONTENT_LENGTH"] = 5000
    client = site.app.test_client()
    page = client.get("/datasets/new", **LOCAL).text
    token = page.split('name="csrf-token" content="')[1].split('"')[0]

    def send(address):
        sent = {"csrf_token": token, "source_file": (io.BytesIO(b"x" * 9000), "x.tar")}
        return client.post(address, data=sent, **LOCAL)

    assert send("/datasets/new").status_code == 302
    assert send("/trash/empty").status_code == 413


def test_the_zoos_recipes_fit_the_form(site):
    for name in segmentation_networks():
        found = site.get(f"/models/recipes/{name}.json").get_json()
        assert float(found["learning_rate"]) > 0
        form = {"dataset": "", "method": "standard", "standard_networks": name, **found}
        errors = site.post("/models/images/generic.json", form).get_json()["errors"]
        assert set(errors) == {"dataset"}, (name, errors)
    assert site.get("/models/recipes/nothing.json").status_code == 404
