# The same pinned packages as install.sh, one volume, no root. See docs/guide for the two mounts.
FROM python:3.13-slim AS build
# `postgres` for a shop on PostgreSQL: docker build --build-arg REQUIREMENTS=postgres
ARG REQUIREMENTS=run
WORKDIR /build
RUN python -m venv /opt/kashop
COPY requirements ./requirements
RUN /opt/kashop/bin/pip install --no-cache-dir --quiet --require-hashes -r requirements/${REQUIREMENTS}.txt \
 && /opt/kashop/bin/pip install --no-cache-dir --quiet --require-hashes -r requirements/build.txt
COPY . .
RUN /opt/kashop/bin/pip install --no-cache-dir --quiet --no-build-isolation --no-deps .

FROM python:3.13-slim
RUN useradd --system --uid 10001 --no-create-home kashop && install -d -o kashop -g kashop -m 0700 /data
COPY --from=build /opt/kashop /opt/kashop
ENV PATH=/opt/kashop/bin:$PATH PYTHONUTF8=1 KASHOP_DATA=/data KASHOP_UNSEAL_KEY_FILE=/keys/unseal.key
USER kashop
VOLUME /data
EXPOSE 8000
# /keys is not made here on purpose: a key that lives in a throw-away layer is a lost shop, so `init` refuses until it is mounted.
HEALTHCHECK --interval=15s --timeout=3s --start-period=10s CMD ["python", "-c", \
  "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/healthz', timeout=2)"]
ENTRYPOINT ["kashop"]
CMD ["serve", "--host", "0.0.0.0"]
