# Python 3.13 on Debian's stable release: every pinned dependency has a ready-built wheel for it,
# on x86-64 and on ARM, so nothing is compiled and no compiler is needed in either stage.
FROM python:3.13-slim-trixie AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /build

# Hashes are checked here, once. What follows takes its packages from /wheels and nowhere else.
COPY requirements/run.txt requirements/
RUN pip download --quiet --only-binary=:all: --require-hashes --requirement requirements/run.txt --dest /wheels

# Only what responder itself asks for reaches its environment: not pip, not what built the wheel.
COPY pyproject.toml README.md LICENSE ./
COPY responder responder
RUN pip wheel --quiet --no-index --find-links=/wheels --no-deps --wheel-dir=/built . \
 && python -m venv --without-pip /opt/responder \
 && pip --python=/opt/responder/bin/python install --quiet --no-index --find-links=/wheels /built/*.whl


FROM python:3.13-slim-trixie
RUN python -m pip uninstall --quiet --yes --root-user-action=ignore pip \
 && rm -rf /usr/local/lib/python3.13/ensurepip \
 && groupadd --gid 10001 responder \
 && useradd --uid 10001 --gid 10001 --no-log-init --no-create-home --home-dir /data responder \
 && install --directory --owner=responder --group=responder --mode=0700 /data

COPY --from=build /opt/responder /opt/responder
COPY playbooks /app/playbooks

# 0.0.0.0 lets others in, so responder won't start here before its secrets are set.
ENV PATH=/opt/responder/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    RESPONDER_HOST=0.0.0.0 \
    RESPONDER_DATABASE_URL=sqlite:////data/responder.db \
    RESPONDER_PLAYBOOKS=/app/playbooks

WORKDIR /app
USER 10001:10001
VOLUME /data
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=3 \
  CMD ["python", "-c", "import http.client, os, sys; c = http.client.HTTPConnection('127.0.0.1', int(os.environ.get('RESPONDER_PORT', '8000')), timeout=4); c.request('GET', '/healthz'); sys.exit(c.getresponse().status != 200)"]

ENTRYPOINT ["responder"]
CMD ["serve"]
