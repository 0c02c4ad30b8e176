# The Python that the tests run on.
ARG PYTHON=3.11

FROM python:${PYTHON}-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /venv
COPY requirements.txt .
RUN /venv/bin/pip install --require-hashes --only-binary :all: -r requirements.txt

FROM python:${PYTHON}-slim
ENV PATH=/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 PYTHONFAULTHANDLER=1
WORKDIR /app
COPY --from=build /venv /venv
COPY alembic.ini .
COPY alembic alembic
COPY api api
# what GET /openapi.json answers
COPY docs/openapi.json docs/openapi.json
# Owns nothing here: the process can change neither its code nor its libraries.
USER 10001:10001
EXPOSE 8000
# Asks the server. The worker (`python -m api worker`) answers nobody: run it with --no-healthcheck.
HEALTHCHECK --interval=15s --timeout=5s --start-period=20s \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
CMD ["python", "-m", "api", "serve", "--host", "0.0.0.0"]
