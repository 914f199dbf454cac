from django.db import connection
from django.http import JsonResponse


def index(request):
    return JsonResponse({"shop": "open"})


def healthz(request):
    return JsonResponse({"status": "up"})


def readyz(request):
    connection.cursor().execute("select 1")
    return JsonResponse({"status": "ready"})
