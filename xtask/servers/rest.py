"""Kinto, a store of JSON records behind a REST interface, with its plugin for attachments. What is uploaded is served by
WebOb, which understands ranges and conditions. Everything is in memory but the files."""

import argparse
import os

import waitress
from kinto import main as kinto
from webob.static import DirectoryApp


def application(port, files):
    settings = {
        "kinto.storage_backend": "kinto.core.storage.memory",
        "kinto.permission_backend": "kinto.core.permission.memory",
        "kinto.cache_backend": "kinto.core.cache.memory",
        "kinto.userid_hmac_secret": "of a server that is thrown away",
        "kinto.bucket_create_principals": "system.Authenticated",
        "kinto.includes": "kinto_attachment",
        "kinto.attachment.base_path": files,
        "kinto.attachment.base_url": f"http://127.0.0.1:{port}/files/",
        "multiauth.policies": "basicauth",
        "multiauth.policy.basicauth.use": "kinto.core.authentication.BasicAuthAuthenticationPolicy",
    }
    records = kinto({}, None, **settings)
    uploads = DirectoryApp(files)

    def dispatch(environ, start_response):
        path = environ.get("PATH_INFO", "")
        if path.startswith("/files/"):
            environ["SCRIPT_NAME"], environ["PATH_INFO"] = "/files", path[len("/files") :]
            return uploads(environ, start_response)
        return records(environ, start_response)

    return dispatch


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--files", required=True, help="folder for what is uploaded")
    arguments = parser.parse_args()
    os.makedirs(arguments.files, exist_ok=True)
    files = os.path.abspath(arguments.files)
    waitress.serve(application(arguments.port, files), host="127.0.0.1", port=arguments.port, threads=16)


if __name__ == "__main__":
    main()
