from django.http import HttpResponse


def index(request):
    return HttpResponse("polls")


def detail(request, number):
    return HttpResponse(f"poll {number}")
