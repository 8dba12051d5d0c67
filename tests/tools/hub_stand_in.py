"""A Hugging Face hub of one machine: serves folders as models, over HTTP on the loopback, as `huggingface_hub` asks for them."""

import hashlib
import http.server
import json
import threading
import urllib.parse

COMMIT = "c0ffee" + "0" * 34


class Hub:
    """`models`: name -> folder, or the name of an error that the hub answers with. Use as a context manager."""

    def __init__(self, models):
        self.models, self.fetched = models, []
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self.handler())
        self.endpoint = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def answer(self, path, query):
        """(status, headers, body) of a request."""
        for name, folder in self.models.items():
            for start in (f"/api/models/{name}", f"/{name}/resolve/"):
                if path == start or path.startswith(start if start.endswith("/") else f"{start}/"):
                    if isinstance(folder, str):
                        return {"GatedRepo": 403, "Unwell": 503}.get(folder, 404), {"X-Error-Code": folder}, b"{}"
                    return self.of_model(name, folder, path.removeprefix(start).strip("/"), start.startswith("/api"))
        return 404, {"X-Error-Code": "RepoNotFound"}, b"{}"

    def of_model(self, name, folder, rest, is_api):
        files = sorted(path.name for path in folder.iterdir())
        words = rest.split("/")
        revision = words[1] if is_api and len(words) > 1 else words[0] if not is_api else "main"
        if revision not in ("main", "v1", COMMIT):
            return 404, {"X-Error-Code": "RevisionNotFound"}, b"{}"
        if is_api and words[0] == "tree":
            return self.told([{"type": "file", "path": file, "size": len(content := (folder / file).read_bytes()),
                               "oid": hashlib.sha1(content).hexdigest()} for file in files])
        if is_api:
            return self.told({"id": name, "sha": COMMIT, "private": False, "downloads": 0, "likes": 0, "tags": [],
                              "siblings": [{"rfilename": file} for file in files]})
        if words[-1] not in files:
            return 404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": COMMIT}, b""
        self.fetched.append(words[-1])
        content = (folder / words[-1]).read_bytes()
        return 200, {"X-Repo-Commit": COMMIT, "ETag": f'"{hashlib.sha1(content).hexdigest()}"'}, content

    def told(self, content):
        return 200, {"Content-Type": "application/json"}, json.dumps(content).encode()

    def handler(self):
        hub = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                url = urllib.parse.urlsplit(self.path)
                status, headers, body = hub.answer(urllib.parse.unquote(url.path), url.query)
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(body)

            do_HEAD = do_GET

            def log_message(self, *_):
                pass

        return Handler
